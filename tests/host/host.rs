//! What a test writes: `Host::configured(json).request(headers).body(frames).response(headers).reply(frames).log(flags)`.
//!
//! Each step makes the callbacks that Envoy would make. After a local reply or a pause in the headers step the rest of the
//! request and the upstream's reply do not happen, and a local reply passes through the response callbacks, as in Envoy.

use crate::abi::{Callback, Pairs};
use crate::exchange::Exchange;
use crate::vm::Vm;
use crate::world::{Fault, Stream, World};

/// Response flags of Envoy, as `response.flags` shows them.
pub(crate) mod flags {
    pub(crate) const NONE: u64 = 0;
    pub(crate) const UPSTREAM_TIMEOUT: u64 = 0x4;
    pub(crate) const CLIENT_DISCONNECTED: u64 = 0x4000;
    pub(crate) const UPSTREAM_PROTOCOL_ERROR: u64 = 0x80_0000;
}

/// A worker's VM with one configuration in force.
pub(crate) struct Host {
    vm: Vm,
    /// Root contexts that live; the last one serves new streams.
    roots: Vec<u32>,
    next_context: u32,
}

impl Host {
    /// A host whose VM runs with this configuration.
    ///
    /// # Panics
    /// When the module refuses it.
    pub(crate) fn configured(json: &str) -> Self {
        let mut host = Self::new();
        assert!(
            host.configure(json),
            "configuration refused: {:#?}",
            host.logs()
        );
        host
    }

    /// A host whose VM has no configuration yet.
    pub(crate) fn new() -> Self {
        Self {
            vm: Vm::start(),
            roots: Vec::new(),
            next_context: 1,
        }
    }

    /// Offers a configuration the way a dynamic update does: to a new root context in the same VM. When the module
    /// refuses, the old one stays in force.
    pub(crate) fn configure(&mut self, json: &str) -> bool {
        let root = self.context();
        self.vm.world_mut().plugin_configuration = json.as_bytes().to_vec();
        self.vm.call(Callback::Create, root, &[0]);
        let started = self.vm.call(Callback::Start, root, &[0]).0;
        let accepted = started == 1
            && self
                .vm
                .call(Callback::Configure, root, &[length(json.len())])
                .0
                == 1;
        match accepted {
            true => self.roots.push(root),
            false => {
                self.vm.call(Callback::Done, root, &[]);
                self.vm.call(Callback::Delete, root, &[]);
            }
        }
        self.retire_roots();
        accepted
    }

    /// Begins a request that has a body. Names are in lower case, as Envoy hands them over.
    pub(crate) fn request<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
    ) -> Exchange<'_> {
        let id = self.open();
        self.resume(id).request_headers(pairs(headers), false)
    }

    /// Begins and ends a request without a body.
    pub(crate) fn request_without_body<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
    ) -> Exchange<'_> {
        let id = self.open();
        self.resume(id).request_headers(pairs(headers), true)
    }

    /// A request for which `prepare` puts metadata or attributes into place first.
    pub(crate) fn prepared(&mut self, prepare: impl FnOnce(&mut Stream)) -> Exchange<'_> {
        let id = self.open();
        prepare(self.stream(id));
        self.resume(id)
    }

    /// A stream of which the module knows nothing but that it exists.
    pub(crate) fn open(&mut self) -> u32 {
        let root = *self.roots.last().expect("a configuration");
        let id = self.context();
        self.vm.world_mut().streams.insert(
            id,
            Stream {
                root,
                ..Stream::default()
            },
        );
        self.callback(id, Callback::Create, &[root]);
        id
    }

    /// Goes on with a stream that was kept open.
    pub(crate) fn resume(&mut self, id: u32) -> Exchange<'_> {
        Exchange::new(self, id)
    }

    /// Makes any callback, in any order, and records what it did.
    pub(crate) fn callback(&mut self, id: u32, callback: Callback, arguments: &[u32]) -> u32 {
        let (result, step) = self.vm.call(callback, id, arguments);
        self.stream(id).steps.push(step);
        result
    }

    pub(crate) fn stream(&mut self, id: u32) -> &mut Stream {
        self.vm
            .world_mut()
            .streams
            .get_mut(&id)
            .expect("an open stream")
    }

    /// From now on these host calls fail; an empty list heals all.
    pub(crate) fn fail(&mut self, faults: &[Fault]) {
        self.vm.world_mut().faults.order(faults.to_vec());
    }

    pub(crate) fn advance_milliseconds(&mut self, milliseconds: u64) {
        self.vm.world_mut().clock += milliseconds * 1_000_000;
    }

    pub(crate) fn world(&self) -> &World {
        self.vm.world()
    }

    /// Log lines without their level.
    pub(crate) fn logs(&self) -> Vec<&str> {
        self.world()
            .logs
            .iter()
            .map(|(_, line)| line.as_str())
            .collect()
    }

    /// A counter or gauge by its whole name; 0 when it never moved.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.world()
            .metrics
            .numbers()
            .get(name)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn memory_size(&mut self) -> usize {
        self.vm.memory_size()
    }

    /// Ends a stream: `on_log`, `on_done` and `on_delete`, the order of Envoy.
    pub(crate) fn close(&mut self, id: u32) -> Stream {
        self.callback(id, Callback::Log, &[]);
        self.callback(id, Callback::Done, &[]);
        self.callback(id, Callback::Delete, &[]);
        let stream = self
            .vm
            .world_mut()
            .streams
            .remove(&id)
            .expect("an open stream");
        self.retire_roots();
        stream
    }

    /// An old root context goes when its last stream has gone.
    fn retire_roots(&mut self) {
        let Some((&newest, older)) = self.roots.split_last() else {
            return;
        };
        let in_use = |root: &u32| {
            self.vm
                .world()
                .streams
                .values()
                .any(|stream| stream.root == *root)
        };
        let (kept, retired): (Vec<u32>, Vec<u32>) = older.iter().copied().partition(in_use);
        for root in retired {
            self.vm.call(Callback::Done, root, &[]);
            self.vm.call(Callback::Delete, root, &[]);
        }
        self.roots = kept;
        self.roots.push(newest);
    }

    fn context(&mut self) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        id
    }
}

/// Names and values as the ABI carries them.
pub(crate) fn pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Pairs {
    headers
        .iter()
        .map(|(name, value)| (name.as_ref().to_vec(), value.as_ref().to_vec()))
        .collect()
}

/// Header lines that a failed assertion can show.
pub(crate) fn readable(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let line = |(name, value): &(Vec<u8>, Vec<u8>)| {
        format!("{}: {}", name.escape_ascii(), value.escape_ascii())
    };
    headers.iter().map(line).collect()
}

pub(crate) fn length(size: usize) -> u32 {
    u32::try_from(size).expect("below 4 GiB")
}
