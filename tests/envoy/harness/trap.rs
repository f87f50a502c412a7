//! The module with a callback that traps, since nothing that a client sends makes the shipped one trap.

/// Sections of a module, by their numbers.
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// No locals, `unreachable`, `end`.
const TRAP: [u8; 3] = [0x00, 0x00, 0x0B];

/// The same module, in which the function that is exported under this name does nothing but trap.
pub(crate) fn trapping(module: &[u8], export: &str) -> Vec<u8> {
    let sections = sections(&module[8..]);
    let section = |wanted: u8| {
        let mut found = sections.iter().filter(|(id, _)| *id == wanted);
        found.next().unwrap().1
    };
    let function = exported(section(EXPORTS), export) - imported(section(IMPORTS));
    let mut patched = module[..8].to_vec();
    for (id, bytes) in &sections {
        let bytes = match *id {
            CODE => without_body(bytes, function),
            _ => bytes.to_vec(),
        };
        patched.push(*id);
        patched.extend(leb(bytes.len()));
        patched.extend(bytes);
    }
    patched
}

/// What is left of a section while it is read.
struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn take(&mut self, count: usize) -> &'m [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn name(&mut self) -> &'m [u8] {
        let length = self.number();
        self.take(length)
    }
}

fn sections(module: &[u8]) -> Vec<(u8, &[u8])> {
    let mut reader = Reader(module);
    let mut sections = Vec::new();
    while !reader.0.is_empty() {
        let id = reader.byte();
        sections.push((id, reader.name()));
    }
    sections
}

/// How many functions are imported; they are numbered before the module's own. The module imports nothing else.
fn imported(section: &[u8]) -> usize {
    let mut reader = Reader(section);
    let count = reader.number();
    for _ in 0..count {
        reader.name();
        reader.name();
        assert_eq!(reader.byte(), 0, "an import that is no function");
        reader.number();
    }
    count
}

fn exported(section: &[u8], wanted: &str) -> usize {
    let mut reader = Reader(section);
    for _ in 0..reader.number() {
        let name = reader.name();
        let kind = reader.byte();
        let index = reader.number();
        if name == wanted.as_bytes() {
            assert_eq!(kind, 0, "{wanted} is no function");
            return index;
        }
    }
    panic!("no export {wanted}");
}

fn without_body(section: &[u8], function: usize) -> Vec<u8> {
    let mut reader = Reader(section);
    let count = reader.number();
    let mut bytes = leb(count);
    for index in 0..count {
        let body = reader.name();
        let body = if index == function { &TRAP } else { body };
        bytes.extend(leb(body.len()));
        bytes.extend(body);
    }
    bytes
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7F).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
