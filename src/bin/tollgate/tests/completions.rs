use crate::run::tollgate;

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = tollgate(&["completions", shell]);
        assert_eq!(ran.code, Some(0), "{shell}");
        for word in ["check", "expiring-within", "key-file"] {
            assert!(ran.output.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn the_help_tells_the_exit_codes() {
    let ran = tollgate(&["--help"]);
    for line in [
        "  0  Success",
        "  1  The input is faulty",
        "  2  The input could not be checked",
    ] {
        assert!(ran.output.contains(line), "{}", ran.output);
    }
}
