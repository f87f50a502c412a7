#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_checks::eventstream::check(data));
