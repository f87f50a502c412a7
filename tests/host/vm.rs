//! One VM with the shipped module in it, as a worker of Envoy has one.

use std::sync::OnceLock;

use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, Store, Val, ValType};

use crate::abi::{Action, Callback};
use crate::imports;
use crate::wasi;
use crate::world::{Step, World};

/// A running instance of the module and the world it sees.
pub(crate) struct Vm {
    store: Store<World>,
    instance: Instance,
}

impl Vm {
    /// A fresh VM whose module is initialised, but has no context yet.
    pub(crate) fn start() -> Self {
        let module = module();
        let mut linker = Linker::new(module.engine());
        imports::define(&mut linker).expect("the imports have distinct names");
        wasi::define(&mut linker).expect("the imports have distinct names");
        linker
            .define_unknown_imports_as_traps(module)
            .expect("every import is a function");
        let mut store = Store::new(module.engine(), World::new());
        store.set_fuel(u64::MAX).expect("fuel is on");
        let instance = linker
            .instantiate(&mut store, module)
            .expect("the module starts");
        let mut vm = Self { store, instance };
        for name in ["_initialize", "_start"] {
            if let Some(initialise) = vm.instance.get_func(&mut vm.store, name) {
                initialise
                    .call(&mut vm.store, &[], &mut [])
                    .unwrap_or_else(|error| panic!("{name}: {error:?}"));
                break;
            }
        }
        vm
    }

    /// Makes a callback and says what the module returned (0 when it returns nothing) and what it cost.
    ///
    /// # Panics
    /// When the module traps: for Envoy that is a dead VM and the loss of every stream in it.
    pub(crate) fn call(
        &mut self,
        callback: Callback,
        context: u32,
        arguments: &[u32],
    ) -> (u32, Step) {
        let world = self.store.data_mut();
        world.callback = callback;
        world.context = context;
        world.calls.clear();
        self.store.set_fuel(u64::MAX).expect("fuel is on");
        let function = self
            .instance
            .get_func(&mut self.store, callback.export())
            .unwrap_or_else(|| panic!("the module does not export {}", callback.export()));
        let arguments: Vec<Val> = std::iter::once(&context)
            .chain(arguments)
            .map(|argument| Val::I32(argument.cast_signed()))
            .collect();
        let mut results: Vec<Val> = function
            .ty(&self.store)
            .results()
            .map(|kind| match kind {
                ValType::I32 => Val::I32(0),
                other => panic!("{} returns {other}", callback.export()),
            })
            .collect();
        let ended = function.call(&mut self.store, &arguments, &mut results);
        let fuel = self.store.get_fuel().expect("fuel is on");
        let world = self.store.data_mut();
        if let Err(error) = ended {
            panic!(
                "{} trapped: {error:?}\nfaults: {:?}\nlog: {:#?}",
                callback.export(),
                world.faults,
                world.logs
            );
        }
        let result = results
            .first()
            .and_then(Val::i32)
            .unwrap_or(0)
            .cast_unsigned();
        let action = (Callback::RequestHeaders..=Callback::ResponseTrailers)
            .contains(&callback)
            .then(|| Action::from_abi(result).unwrap_or_else(|| panic!("action {result}")));
        let calls = std::mem::take(&mut world.calls);
        (
            result,
            Step {
                callback,
                action,
                calls,
                instructions: u64::MAX - fuel,
            },
        )
    }

    pub(crate) fn world(&self) -> &World {
        self.store.data()
    }

    pub(crate) fn world_mut(&mut self) -> &mut World {
        self.store.data_mut()
    }

    /// The size of the linear memory, in bytes. It only ever grows.
    pub(crate) fn memory_size(&mut self) -> usize {
        let memory: Memory = self
            .instance
            .get_memory(&mut self.store, "memory")
            .expect("the module exports its memory");
        memory.data_size(&self.store)
    }
}

/// The shipped module, compiled once per test run.
fn module() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| {
        let path = tollgate_tests::filter();
        let bytes = std::fs::read(&path).expect("the filter is readable");
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).expect("wasmtime runs on this machine");
        Module::new(&engine, bytes).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
    })
}
