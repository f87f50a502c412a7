//! What the documents say is there, and what they tell to configure works.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tollgate::config::compile;
use tollgate_tests::manifest::{files_below, repository};

/// Every page of the repository, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let files = files_below(&repository()).into_iter();
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

/// Whether `reference`, such as `src/sse/tests.rs::name`, is a test of the repository.
fn is_there(reference: &str) -> bool {
    let Some((file, name)) = reference.split_once("::") else {
        return false;
    };
    fs::read_to_string(repository().join(file))
        .is_ok_and(|source| source.contains(&format!("fn {name}(")))
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let mut named = 0;
    for (page, text) in pages() {
        // Between an odd backtick and the next one stands code; blocks of code name no tests.
        for code in text.split('`').skip(1).step_by(2) {
            let (file, _) = code.split_once("::").unwrap_or_default();
            let of_ours = file.starts_with("src/") || file.starts_with("tests/");
            if of_ours && Path::new(file).extension().is_some_and(|kind| kind == "rs") {
                named += 1;
                assert!(is_there(code), "{}: there is no {code}", page.display());
            }
        }
    }
    assert!(named > 90, "only {named} tests are named");
    assert!(!is_there("src/sse/tests.rs::a_test_that_is_not_there"));
}

/// The blocks of JSON in a page that are whole configurations, with hashes in place of dots.
fn configurations(text: &str) -> Vec<String> {
    let blocks = text.split("```json\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let is_whole = |block: &&str| block.contains("\"models\"") && block.starts_with('{');
    blocks.filter(is_whole).map(with_hashes).collect()
}

fn with_hashes(block: &str) -> String {
    let mut pieces = block.split("sha256:…");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for (number, piece) in pieces.enumerate() {
        let hash = hex::encode(Sha256::digest(number.to_string()));
        whole.push_str(&format!("sha256:{hash}{piece}"));
    }
    whole
}

#[test]
fn every_configuration_of_a_page_is_taken() {
    let mut taken = 0;
    for (page, text) in pages() {
        for configuration in configurations(&text) {
            let compiled = compile(configuration.as_bytes(), &|_| {
                Some("a-key-that-nobody-could-guess".to_owned())
            });
            let faults = compiled.err().unwrap_or_default();
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults, [""; 0], "{}: {configuration}", page.display());
            taken += 1;
        }
    }
    assert!(taken >= 6, "only {taken} configurations were found");
}
