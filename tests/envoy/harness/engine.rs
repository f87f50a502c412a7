//! envoyproxy/ratelimit and its Redis, where `$RATELIMIT` names one.

use std::env;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::eventually;
use super::process::{client, scratch_folder};

/// The engine, with budgets that nobody has touched.
pub(crate) struct Engine {
    /// Where it speaks gRPC.
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    redis: Child,
    ratelimit: Child,
}

impl Engine {
    /// Starts `$RATELIMIT` with the limits of this file and `$REDIS_SERVER` (or `redis-server`); `None` without
    /// `$RATELIMIT`.
    pub(crate) fn start(limits: &str) -> Option<Self> {
        let program = env::var_os("RATELIMIT")?;
        let folder = scratch_folder();
        fs::create_dir(folder.join("config")).unwrap();
        fs::write(folder.join("config/tollgate.yaml"), limits).unwrap();
        let [redis_port, grpc, http, debug] = free_ports();
        let redis = env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let redis = run(
            Command::new(redis)
                .args(["--port", &redis_port.to_string(), "--save", ""])
                .current_dir(&folder),
            &folder.join("redis.log"),
        );
        let mut ratelimit = run(
            Command::new(program)
                .current_dir(&folder)
                .env("HOST", "127.0.0.1")
                .env("PORT", http.to_string())
                .env("GRPC_HOST", "127.0.0.1")
                .env("GRPC_PORT", grpc.to_string())
                .env("DEBUG_HOST", "127.0.0.1")
                .env("DEBUG_PORT", debug.to_string())
                .env("USE_STATSD", "false")
                .env("REDIS_SOCKET_TYPE", "tcp")
                .env("REDIS_URL", format!("127.0.0.1:{redis_port}"))
                .env("RUNTIME_ROOT", &folder)
                .env("RUNTIME_SUBDIRECTORY", "")
                .env("RUNTIME_WATCH_ROOT", "false")
                .env("LOG_LEVEL", "info"),
            &folder.join("ratelimit.log"),
        );
        let http_client = client().build().unwrap();
        eventually("envoyproxy/ratelimit", || {
            if let Some(status) = ratelimit.try_wait().unwrap() {
                let log = fs::read_to_string(folder.join("ratelimit.log")).unwrap_or_default();
                panic!("it ended with {status}: {log}");
            }
            let health = http_client
                .get(format!("http://127.0.0.1:{http}/healthcheck"))
                .send();
            let health = health.and_then(|health| health.error_for_status());
            health.map(|_| ()).map_err(|error| error.to_string())
        });
        Some(Self {
            address: SocketAddr::from(([127, 0, 0, 1], grpc)),
            folder,
            redis,
            ratelimit,
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for child in [&mut self.ratelimit, &mut self.redis] {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn run(command: &mut Command, log: &Path) -> Child {
    let log = File::create(log).unwrap();
    let program = command.get_program().to_owned();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Ports that nobody listens on now.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
