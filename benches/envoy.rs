//! One running Envoy.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::bootstrap::Variant;
use crate::machine::{self, Process};
use crate::wire;

/// An Envoy, stopped when it is dropped.
pub(crate) struct Envoy {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    /// From the start of the process until it said that it was ready.
    pub(crate) ready: Duration,
    admin: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Envoy {
    /// Starts a variant with so many workers, and with so many keys if not with the demo's, and waits until it is ready.
    pub(crate) async fn start(
        variant: Variant,
        upstream: SocketAddr,
        workers: u32,
        keys: Option<usize>,
    ) -> io::Result<Self> {
        let folder = folder()?;
        let bootstrap = folder.join("bootstrap.json");
        fs::write(&bootstrap, variant.bootstrap(upstream, keys).to_string())?;
        let log = File::create(folder.join("envoy.log"))?;
        let command = std::env::var("ENVOY").unwrap_or_else(|_| "envoy".to_owned());
        let mut words = command.split_whitespace();
        let mut launch = Command::new(words.next().unwrap_or("envoy"));
        launch
            .args(words)
            .arg("--config-path")
            .arg(bootstrap)
            .arg("--admin-address-path")
            .arg(folder.join("admin.address"))
            .args(["--concurrency", &workers.to_string()])
            .args([
                "--disable-hot-restart",
                "--log-level",
                "warning",
                "--component-log-level",
                "wasm:info",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let start = Instant::now();
        let mut child = machine::on_envoys_core(|| launch.spawn())
            .map_err(|error| io::Error::other(format!("{command}: {error}")))?;
        let admin = loop {
            if child.try_wait()?.is_some() || start.elapsed() > Duration::from_secs(60) {
                let log = fs::read_to_string(folder.join("envoy.log"))?;
                return Err(io::Error::other(format!(
                    "{} did not start:\n{log}",
                    variant.name()
                )));
            }
            let text = fs::read_to_string(folder.join("admin.address")).unwrap_or_default();
            if let Ok(admin) = text.trim().parse() {
                break admin;
            }
            sleep(Duration::from_millis(1)).await;
        };
        // The admin interface answers when the listeners are up: until then its thread is busy.
        while wire::ask(admin, "GET /ready").await?.0 != "200" {
            sleep(Duration::from_millis(1)).await;
        }
        let ready = start.elapsed();
        let process = Process(child.id()).launched();
        let (_, listeners) = wire::ask(admin, "GET /listeners").await?;
        let address = listeners
            .trim()
            .rsplit_once("::")
            .and_then(|(_, address)| address.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no listener: {listeners}")))?;
        Ok(Self {
            address,
            process,
            ready,
            admin,
            child,
            folder,
        })
    }

    /// The sum of the counters of Prometheus whose line begins like this and contains that.
    pub(crate) async fn counted(&self, name: &str, label: &str) -> io::Result<f64> {
        let (_, text) = wire::ask(self.admin, "GET /stats/prometheus").await?;
        Ok(text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// The version, as in `1.40.0`.
    pub(crate) async fn version(&self) -> io::Result<String> {
        let (_, text) = wire::ask(self.admin, "GET /server_info").await?;
        let info: serde_json::Value = serde_json::from_str(&text)?;
        let version = info["version"].as_str().unwrap_or_default();
        Ok(version.split('/').nth(1).unwrap_or(version).to_owned())
    }

    /// Waits until Tollgate is configured in all VMs: that which checks, the main thread's, and one for each worker.
    pub(crate) async fn configured(&self, machines: usize) -> io::Result<()> {
        loop {
            let log = fs::read_to_string(self.folder.join("envoy.log"))?;
            if log.matches("configured ").count() >= machines {
                return Ok(());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Bytes that Envoy has allocated, without the memories of its VMs.
    pub(crate) async fn allocated(&self) -> io::Result<f64> {
        let (_, text) = wire::ask(self.admin, "GET /memory").await?;
        let memory: serde_json::Value = serde_json::from_str(&text)?;
        let allocated = memory["allocated"]
            .as_str()
            .and_then(|text| text.parse().ok());
        Ok(allocated.unwrap_or(0.0))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = rustix::process::Pid::from_raw(i32::try_from(self.process.0).unwrap_or_default())
            .map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn folder() -> io::Result<PathBuf> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = crate::target().join(format!("envoy-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
