//! Settings that the filter accepts but that are hardly ever intended. Only configurations without faults are checked,
//! and each warning is true for all tokens and all attributes of a gateway in front.

#![expect(
    clippy::indexing_slicing,
    reason = "a `Value` is null where nothing is"
)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use tollgate::members;
use tollgate::metrics::MAX_KEY_LABELS;
use tollgate::operation::{is_in_table, is_unjudged_inference};

use crate::moment;

/// From this size on, the limit of a Kubernetes resource matters.
const LARGE: usize = 200 << 10;

/// The times with which keys are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) now: i64,
    /// Keys that expire before this time cause a warning.
    pub(crate) soon: i64,
}

/// Path and message of each warning about a configuration.
pub(crate) fn of(text: &str, clock: Clock) -> Vec<(String, String)> {
    let configuration = serde_json::from_str(text).unwrap_or_default();
    let mut warnings = Warnings {
        configuration: &configuration,
        found: Vec::new(),
    };
    warnings.size(text.len());
    warnings.mode();
    warnings.dates(clock);
    warnings.bodies();
    warnings.members();
    warnings.limits();
    warnings.labels();
    warnings.claims();
    if configuration["mode"] != "open" {
        warnings.groups();
        warnings.tenants();
        warnings.models();
    }
    warnings.found
}

struct Warnings<'c> {
    configuration: &'c Value,
    found: Vec<(String, String)>,
}

/// The groups that a caller may have.
struct Groups<'c> {
    named: BTreeSet<&'c str>,
    /// The prefixes of the groups of issuers' tokens.
    prefixes: Vec<&'c str>,
    /// True if a gateway in front may name any group.
    any: bool,
}

impl Groups<'_> {
    fn has(&self, group: &str) -> bool {
        self.any
            || self.named.contains(group)
            || self.prefixes.iter().any(|prefix| group.starts_with(prefix))
    }
}

impl<'c> Warnings<'c> {
    fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.found.push((path.into(), message.into()));
    }

    fn size(&mut self, bytes: usize) {
        if bytes >= LARGE {
            let size = bytes / 1024;
            self.warn("", format!("{size} KiB; a Kubernetes resource holds 1.5 MiB at most, and `kubectl apply` without `--server-side` 256 KiB"));
        }
    }

    fn mode(&mut self) {
        match self.configuration["mode"].as_str() {
            Some("open") => self.warn(
                "mode",
                "every client may use every model, without an identity",
            ),
            Some("audit") => self.warn(
                "mode",
                "requests that should be refused pass, and are only counted",
            ),
            _ => {}
        }
    }

    fn dates(&mut self, clock: Clock) {
        for (path, key) in working_keys(self.configuration) {
            let moment = |name: &str| key[name].as_str().and_then(moment::parse);
            let date = |moment| moment::format(moment).unwrap_or_default();
            let id = format!("`{}`", key["id"].as_str().unwrap_or_default());
            let (start, end) = (moment("notBefore"), moment("expiresAt"));
            if start.is_some_and(|start| end.is_some_and(|end| end <= start)) {
                self.warn(
                    format!("{path}.expiresAt"),
                    "not after `notBefore`: the key is never valid",
                );
                continue;
            }
            match end {
                Some(end) if end <= clock.now => self.warn(
                    format!("{path}.expiresAt"),
                    format!("the key {id} has expired, at {}", date(end)),
                ),
                Some(end) if end <= clock.soon => self.warn(
                    format!("{path}.expiresAt"),
                    format!("the key {id} expires at {}", date(end)),
                ),
                _ => {}
            }
            if let Some(start) = start.filter(|start| clock.now < *start) {
                self.warn(
                    format!("{path}.notBefore"),
                    format!("the key {id} is not valid before {}", date(start)),
                );
            }
        }
    }

    /// Inference that is let through unjudged, and bodies where servers do not look for one.
    fn bodies(&mut self) {
        for name in ["extraPaths", "publicPaths"] {
            for (at, path) in list(self.configuration, name) {
                let method = path["method"].as_str().unwrap_or_default();
                let line = path["path"].as_str().unwrap_or_default();
                if name == "extraPaths" && method == "POST" && is_in_table(line) {
                    self.warn(
                        format!("{at}.path"),
                        "the table of operations has this path and comes first; the entry changes nothing",
                    );
                } else if ["POST", "PUT"].contains(&method) && is_unjudged_inference(line) {
                    let who = match name {
                        "extraPaths" => "its groups",
                        _ => "everybody, with no identity,",
                    };
                    self.warn(
                        format!("{at}.path"),
                        format!("a route of inference: {who} may use any model of the server there, and no tokens are counted; `pathPrefixes` and `pathsWithoutVersion` have the table's paths judged in other places"),
                    );
                }
                if path["body"] == true && ["GET", "HEAD", "OPTIONS", "DELETE"].contains(&method) {
                    self.warn(
                        format!("{at}.body"),
                        format!("a server may not read the body of a {method} and may take it for the next request"),
                    );
                }
            }
        }
    }

    /// Limits that last longer than the memory of a proxy, and limits for each user where nobody has a name.
    fn limits(&mut self) {
        let issuers = list(self.configuration, "jwt");
        let has_users = self.configuration["trustedHeaders"].is_object()
            || issuers.into_iter().any(|(_, issuer)| {
                issuer["userClaim"].is_string() || issuer["userClaim"].is_array()
            });
        for (at, limit) in list(self.configuration, "limits") {
            if limit["window"] == "day" && limit["keeps"].is_null() {
                self.warn(
                    format!("{at}.window"),
                    "the count of the day starts again when Envoy restarts, and each proxy counts for itself; write `keeps: untilRestart` if that is enough",
                );
            }
            let per_user = match &limit["per"] {
                Value::Array(per) => per.iter().any(|per| per == "user"),
                per => per == "user",
            };
            if per_user && !has_users {
                self.warn(
                    format!("{at}.per"),
                    "no caller has a user, so that all callers of a tenant share one account; set `jwt[].userClaim`, or use `per: key`",
                );
            }
        }
    }

    /// More keys than labels.
    fn labels(&mut self) {
        let mut labels = list(&self.configuration["metering"], "labels");
        let Some((path, _)) = labels.find(|(_, label)| *label == "key") else {
            return;
        };
        let keys = list(self.configuration, "keys").count();
        if keys > MAX_KEY_LABELS {
            let message = format!(
                "{keys} keys, and {MAX_KEY_LABELS} get a label of their own; the others share `other`"
            );
            self.warn(format!("metering.{path}"), message);
        }
    }

    /// Allowed members of bodies: those that weaken the model rules, and those without effect.
    fn members(&mut self) {
        for (path, name) in list(&self.configuration["body"], "allow") {
            let name = name.as_str().unwrap_or_default();
            let path = format!("body.{path}");
            if members::names_models(name) {
                self.warn(
                    path,
                    "clients may use any model with it: the models that it names are not checked",
                );
            } else if !members::is_listed(name) {
                self.warn(path, "no refused member has this name");
            }
        }
    }

    /// Names of claims that were meant to be paths.
    fn claims(&mut self) {
        for (at, issuer) in list(self.configuration, "jwt") {
            let one = ["groupsClaim", "tenantClaim", "userClaim"].into_iter();
            let one = one.map(|name| (name.to_owned(), &issuer[name]));
            for (name, claim) in one.chain(list(issuer, "groupsClaims")) {
                // Names that are URLs have dots of their own.
                let Some(text) = claim.as_str().filter(|text| !text.contains(['/', ':'])) else {
                    continue;
                };
                let parts: Vec<&str> = text.split('.').collect();
                if parts.len() > 1 && parts.iter().all(|part| !part.is_empty()) {
                    let message = format!(
                        "a dot is a part of the claim's name here; for a claim within a claim write {}",
                        json!(parts)
                    );
                    self.warn(format!("{at}.{name}"), message);
                }
            }
        }
    }

    /// Groups in rules that nobody has.
    fn groups(&mut self) {
        let groups = self.groups_brought();
        for (name, rule) in object(self.configuration, "models") {
            for (path, group) in list(rule, "groups") {
                if group.as_str().is_some_and(|group| !groups.has(group)) {
                    self.warn(format!("models.{name}.{path}"), "no caller has this group");
                }
            }
        }
        for (at, extra) in list(self.configuration, "extraPaths") {
            for (path, group) in list(extra, "groups") {
                if group.as_str().is_some_and(|group| !groups.has(group)) {
                    self.warn(format!("{at}.{path}"), "no caller has this group");
                }
            }
        }
        for (at, issuer) in list(self.configuration, "jwt") {
            let prefix = issuer["groupPrefix"].as_str().unwrap_or_default();
            for (path, rule) in list(issuer, "tenantFromGroup") {
                let message = if !has_groups(issuer) {
                    "no token has groups; expected `groupsClaim` too"
                } else if rule["group"]
                    .as_str()
                    .is_some_and(|group| !group.starts_with(prefix))
                {
                    "no token has this group; expected one that begins with `groupPrefix`"
                } else {
                    continue;
                };
                self.warn(format!("{at}.{path}.group"), message);
            }
        }
    }

    fn groups_brought(&self) -> Groups<'c> {
        let configuration = self.configuration;
        let keys = list(configuration, "keys").chain(list(configuration, "keysFrom"));
        let issuers = list(configuration, "jwt");
        Groups {
            named: keys.flat_map(|(_, key)| self.groups_of_key(key)).collect(),
            prefixes: issuers
                .filter(|(_, issuer)| has_groups(issuer))
                .map(|(_, issuer)| issuer["groupPrefix"].as_str().unwrap_or_default())
                .collect(),
            any: !configuration["trustedHeaders"]["groupsAttribute"].is_null(),
        }
    }

    /// The groups of the tenant and of the key.
    fn groups_of_key(&self, key: &'c Value) -> impl Iterator<Item = &'c str> {
        let tenant = &self.configuration["tenants"][key["tenant"].as_str().unwrap_or_default()];
        let groups = list(tenant, "groups").chain(list(key, "groups"));
        groups.filter_map(|(_, group)| group.as_str())
    }

    /// Tenants without callers.
    fn tenants(&mut self) {
        let configuration = self.configuration;
        let trusted = &configuration["trustedHeaders"];
        let said = !trusted["tenantAttribute"].is_null()
            || list(configuration, "jwt").any(|(_, issuer)| !issuer["tenantClaim"].is_null());
        if said {
            return;
        }
        let mut named: BTreeSet<&str> = trusted["defaultTenant"].as_str().into_iter().collect();
        for (_, issuer) in list(configuration, "jwt") {
            named.extend(issuer["defaultTenant"].as_str());
            let rules = list(issuer, "tenantFromGroup");
            named.extend(rules.filter_map(|(_, rule)| rule["tenant"].as_str()));
        }
        let keys = list(configuration, "keys").chain(list(configuration, "keysFrom"));
        named.extend(keys.filter_map(|(_, key)| key["tenant"].as_str()));
        for (name, _) in object(configuration, "tenants") {
            if !named.contains(name) {
                self.warn(
                    format!("tenants.{name}"),
                    "no caller belongs to this tenant",
                );
            }
        }
    }

    /// Models in the lists of keys that have no rule, and keys that no rule admits.
    fn models(&mut self) {
        let configuration = self.configuration;
        let rules: Vec<(&str, &Value)> = object(configuration, "models").collect();
        if configuration["models"]["*"]["access"] == "anonymous" {
            self.warn(
                "models.*.access",
                "every client, without an identity, may use every model that has no rule of its own",
            );
        }
        for (at, key) in working_keys(configuration) {
            let limits: Vec<(String, &str)> = list(key, "models")
                .filter_map(|(path, limit)| Some((path, limit.as_str()?)))
                .collect();
            for (path, limit) in &limits {
                if !rules.iter().any(|(rule, _)| meet(rule, limit)) {
                    self.warn(format!("{at}.{path}"), "no rule in `models` matches this");
                }
            }
            let groups: BTreeSet<&str> = self.groups_of_key(key).collect();
            let admits = |(name, rule): &(&str, &Value)| {
                let member = list(rule, "groups")
                    .any(|(_, group)| group.as_str().is_some_and(|group| groups.contains(group)));
                let narrowed =
                    key["models"].is_array() && !limits.iter().any(|(_, limit)| meet(name, limit));
                (member || !rule["access"].is_null()) && !narrowed
            };
            let reaches = list(configuration, "extraPaths").any(|(_, extra)| {
                list(extra, "groups")
                    .any(|(_, group)| group.as_str().is_some_and(|group| groups.contains(group)))
            });
            if !reaches && !rules.iter().any(admits) {
                self.warn(at, "no rule in `models` admits this key");
            }
        }
    }
}

/// Whether tokens of an issuer may have groups.
fn has_groups(issuer: &Value) -> bool {
    !issuer["groupsClaim"].is_null() || !issuer["groupsClaims"].is_null()
}

/// Whether some model fits both of two names or prefixes.
fn meet(one: &str, other: &str) -> bool {
    match (one.strip_suffix('*'), other.strip_suffix('*')) {
        (None, None) => one == other,
        (Some(prefix), None) => other.starts_with(prefix),
        (None, Some(prefix)) => one.starts_with(prefix),
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
    }
}

/// The keys that are not disabled.
fn working_keys(configuration: &Value) -> impl Iterator<Item = (String, &Value)> {
    list(configuration, "keys").filter(|(_, key)| key["disabled"] != true)
}

/// The entries of a list, with their paths.
fn list<'c>(holder: &'c Value, name: &str) -> impl Iterator<Item = (String, &'c Value)> {
    let entries = holder[name].as_array().into_iter().flatten().enumerate();
    let name = name.to_owned();
    entries.map(move |(index, entry)| (format!("{name}[{index}]"), entry))
}

fn object<'c>(holder: &'c Value, name: &str) -> impl Iterator<Item = (&'c str, &'c Value)> {
    let entries = holder[name].as_object().into_iter().flatten();
    entries.map(|(name, entry)| (name.as_str(), entry))
}
