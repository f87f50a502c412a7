//! `pathPrefixes`, `pathsWithoutVersion`, `extraPaths` and `publicPaths`: which paths there are.

use super::{Compiler, is_token};
use crate::config::faults::{read, read_list};
use crate::config::{Config, ExtraPathConfig, PublicPathConfig, WithoutVersionConfig};
use crate::operation::{ExtraPath, PathPrefix, PathRule, WithoutVersion, is_plain_path};

impl Compiler<'_> {
    pub(super) fn path_prefixes(&mut self, config: &Config<'_>) -> Vec<PathPrefix> {
        let entries = read_list::<String>(config.path_prefixes, "pathPrefixes", &mut self.faults);
        let mut prefixes = Vec::with_capacity(entries.len());
        for (path, text) in entries {
            match PathPrefix::parse(&text) {
                Some(prefix) => prefixes.push(prefix),
                None => self.fault(path, "expected plain segments such as `/team/*/v1`, of which `*` alone is any one, without `/` at the end, and not `deployments` or `engines`, behind which a path names the model"),
            }
        }
        prefixes
    }

    pub(super) fn without_version(&mut self, config: &Config<'_>) -> WithoutVersion {
        let written = config
            .paths_without_version
            .and_then(|raw| read(raw.get(), "pathsWithoutVersion", &mut self.faults));
        match written {
            Some(WithoutVersionConfig::All) => WithoutVersion::All,
            Some(WithoutVersionConfig::None) => WithoutVersion::None,
            Some(WithoutVersionConfig::Unambiguous) | None => WithoutVersion::Unambiguous,
        }
    }

    pub(super) fn extra_paths(&mut self, config: &Config<'_>) -> Vec<ExtraPath> {
        let entries =
            read_list::<ExtraPathConfig>(config.extra_paths, "extraPaths", &mut self.faults);
        let mut extra_paths = Vec::with_capacity(entries.len());
        for (path, entry) in entries {
            let rule = self.path_rule(&path, &entry.method, &entry.path, entry.body);
            extra_paths.push(ExtraPath {
                rule,
                groups: self.group_set(&entry.groups),
            });
        }
        extra_paths
    }

    pub(super) fn public_paths(&mut self, config: &Config<'_>) -> Vec<PathRule> {
        let entries =
            read_list::<PublicPathConfig>(config.public_paths, "publicPaths", &mut self.faults);
        entries
            .into_iter()
            .map(|(path, entry)| self.path_rule(&path, &entry.method, &entry.path, entry.body))
            .collect()
    }

    fn path_rule(&mut self, at: &str, method: &str, path: &str, takes_body: bool) -> PathRule {
        if !is_token(method) || method.chars().any(|letter| letter.is_ascii_lowercase()) {
            self.fault(
                format!("{at}.method"),
                "expected an HTTP method in upper case such as `POST`",
            );
        }
        if !is_plain_path(path.as_bytes()) {
            self.fault(format!("{at}.path"), "expected an exact path that starts with `/`, without `%`, `?`, `;`, `\\`, empty or dot segments");
        }
        PathRule {
            method: method.into(),
            path: path.into(),
            takes_body,
        }
    }
}
