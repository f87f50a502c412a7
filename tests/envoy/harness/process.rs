//! Envoy's process: started on a bootstrap, watched, and stopped whatever happens.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use reqwest::blocking::{Client, ClientBuilder};

use super::{DEADLINE, eventually};

/// Envoy's process and the folder with its bootstrap and logs.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) folder: PathBuf,
}

impl Process {
    /// Starts the command that `$ENVOY` names on the bootstrap of this name in `folder`, with these variables beside our
    /// own.
    pub(super) fn start(
        folder: PathBuf,
        bootstrap: &str,
        workers: u32,
        drain_time: Option<Duration>,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let (program, arguments) = envoy_command();
        let output = File::create(folder.join("envoy.log")).unwrap();
        let drain_time =
            drain_time.map(|time| ["--drain-time-s".to_owned(), time.as_secs().to_string()]);
        let child = Command::new(&program)
            .envs(environment)
            .args(arguments)
            .arg("--config-path")
            .arg(folder.join(bootstrap))
            .arg("--admin-address-path")
            .arg(folder.join("admin.address"))
            .args(["--concurrency", &workers.to_string()])
            .args(drain_time.into_iter().flatten())
            .args(["--disable-hot-restart", "--log-level", "warning", "--component-log-level", "wasm:info", "--file-flush-interval-msec", "50"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "cannot start `{program}`: {error}. Put `envoy` on the PATH, or set ENVOY to the command that \
                     starts it, for example ENVOY=\"func-e run\""
                )
            });
        Self { child, folder }
    }

    /// Where the admin interface listens, as soon as Envoy has said so.
    pub(super) fn await_admin_address(&mut self) -> SocketAddr {
        eventually("Envoy's admin address", || {
            self.assert_running();
            let text = fs::read_to_string(self.folder.join("admin.address"));
            let text = text.map_err(|error| error.to_string())?;
            text.trim()
                .parse()
                .map_err(|_| format!("not yet an address: {text}"))
        })
    }

    /// Panics if Envoy has ended.
    pub(super) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("Envoy ended with {status}");
        }
    }

    /// Resident memory in bytes, that of the processes which a launcher has started included.
    #[cfg(target_os = "linux")]
    pub(super) fn resident_memory(&self) -> u64 {
        let own = self.child.id().to_string();
        let statuses = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            // A process may end while we look.
            fs::read_to_string(entry.ok()?.path().join("status")).ok()
        });
        let field = |status: &str, name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name))?;
            Some(value.trim().trim_end_matches(" kB").to_owned())
        };
        let memory = statuses.filter_map(|status| {
            let family = [field(&status, "Pid:")?, field(&status, "PPid:")?];
            let kilobytes = field(&status, "VmRSS:")?;
            family
                .contains(&own)
                .then(|| kilobytes.parse::<u64>().unwrap() * 1024)
        });
        memory.sum()
    }

    /// Both output streams so far.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("envoy.log")).unwrap_or_default())
            .into_owned()
    }

    /// Asks first, so that a launcher such as `func-e` does not leave Envoy behind; then insists.
    pub(super) fn stop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        let admin = fs::read_to_string(self.folder.join("admin.address")).unwrap_or_default();
        let asked = client()
            .build()
            .unwrap()
            .post(format!("http://{}/quitquitquit", admin.trim()))
            .send();
        let patience = if asked.is_ok() { 200 } else { 0 };
        for _ in 0..patience {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            println!(
                "Envoy's files are in {}; its log:\n{}",
                self.folder.display(),
                self.log()
            );
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The command that `$ENVOY` names, and its arguments.
pub(crate) fn envoy_command() -> (String, Vec<String>) {
    let command = env::var("ENVOY").unwrap_or_else(|_| "envoy".to_owned());
    let mut words = command.split_whitespace().map(str::to_owned);
    let program = words.next().expect("ENVOY names a command");
    (program, words.collect())
}

/// Major and minor version of that Envoy.
pub(crate) fn envoy_version() -> [u32; 2] {
    let (program, arguments) = envoy_command();
    let output = Command::new(program)
        .args(arguments)
        .arg("--version")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
    let version = text.split('/').find(|part| part.starts_with("1."));
    let mut numbers = version
        .unwrap_or_else(|| panic!("no version in {text}"))
        .split('.');
    [(); 2].map(|()| numbers.next().unwrap().parse().unwrap())
}

/// A client that talks to nobody but the test's own Envoy.
pub(super) fn client() -> ClientBuilder {
    Client::builder().no_proxy().timeout(DEADLINE)
}

/// A new folder for one Envoy, under the build's own folder for tests.
pub(super) fn scratch_folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("envoy-{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
