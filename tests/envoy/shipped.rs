//! The bootstraps that users copy.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::envoy_command;

#[test]
fn every_bootstrap_in_the_envoy_folder_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // The bootstraps name the filter by its place under the root.
    assert!(tollgate_tests::filter().is_file());
    let files = fs::read_dir(root.join("envoy")).unwrap();
    let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    let bootstraps = paths.iter().filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    let mut checked = 0;
    for path in bootstraps {
        let (program, arguments) = envoy_command();
        let output = Command::new(program)
            .args(arguments)
            .args(["--mode", "validate", "--config-path"])
            .arg(path)
            .current_dir(root)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        checked += 1;
    }
    assert!(checked > 0, "no bootstrap in {}", root.display());
}
