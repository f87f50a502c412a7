//! Policies of a platform that refuse requests without a header: the second lock, if the header is `admittedHeader`.

use std::rc::Rc;

use crate::yaml::Node;

/// A header that requests must have to pass.
#[derive(Debug)]
pub(crate) struct Lock {
    header: String,
    /// The accepted values.
    values: Vec<String>,
}

impl Lock {
    pub(crate) fn is_for(&self, header: &str) -> bool {
        self.header.eq_ignore_ascii_case(header)
    }

    pub(crate) fn opens_with(&self, value: &str) -> bool {
        self.values.iter().any(|known| known == value)
    }
}

/// The locks in a resource, if its kind can be one.
pub(super) fn of(group: &str, kind: &str, document: &Node) -> Option<Vec<Lock>> {
    let spec = document.member("spec")?;
    let locks: fn(&Node) -> Vec<Lock> = match (group, kind) {
        ("gateway.envoyproxy.io", "SecurityPolicy") => authorization,
        ("security.istio.io", "AuthorizationPolicy") => authorization_policy,
        _ => return None,
    };
    Some(if is_on_whole_gateways(spec) {
        locks(spec)
    } else {
        Vec::new()
    })
}

/// Returns true if each target is a whole Gateway. Without a target, a policy applies to all, or by labels.
fn is_on_whole_gateways(spec: &Node) -> bool {
    let several = items(spec, "targetRefs").chain(items(spec, "targetSelectors"));
    let mut targets = several.chain(spec.member("targetRef").map(Rc::as_ref));
    targets.all(|target| {
        text(target, "kind") == Some("Gateway") && target.member("sectionName").is_none()
    })
}

/// Envoy Gateway: the headers that every allowing rule requires.
fn authorization(spec: &Node) -> Vec<Lock> {
    let Some(authorization) = spec.member("authorization") else {
        return Vec::new();
    };
    // `Deny` is the default.
    if text(authorization, "defaultAction") == Some("Allow") {
        return Vec::new();
    }
    let allows = items(authorization, "rules").filter(|rule| text(rule, "action") != Some("Deny"));
    in_each(allows.map(|rule| {
        let headers = rule
            .at(&["principal", "headers"])
            .map_or(&[][..], Node::items);
        let headers = headers.iter().filter_map(|header| {
            Some(Lock {
                header: text(header, "name")?.to_owned(),
                values: texts(header, "values"),
            })
        });
        headers.collect()
    }))
}

/// Istio: a rule that denies requests by this header alone, or the headers that every allowing rule requires.
fn authorization_policy(spec: &Node) -> Vec<Lock> {
    let conditions = |rule: &Node, values: &str| -> Vec<Lock> {
        let conditions = items(rule, "when").filter_map(|condition| {
            let header = text(condition, "key")?.strip_prefix("request.headers[")?;
            Some(Lock {
                header: header.strip_suffix(']')?.to_owned(),
                values: texts(condition, values),
            })
        });
        conditions.filter(|lock| !lock.values.is_empty()).collect()
    };
    let rules = items(spec, "rules");
    match text(spec, "action") {
        Some("DENY") => {
            let by_nothing_else =
                |rule: &&Node| rule.entries().len() == 1 && items(rule, "when").count() == 1;
            let rules = rules.filter(by_nothing_else);
            rules
                .flat_map(|rule| conditions(rule, "notValues"))
                .collect()
        }
        None | Some("ALLOW") => in_each(rules.map(|rule| conditions(rule, "values"))),
        Some(_) => Vec::new(),
    }
}

/// The locks of the first that all others have too, with all accepted values.
fn in_each(mut rules: impl Iterator<Item = Vec<Lock>>) -> Vec<Lock> {
    let mut common = rules.next().unwrap_or_default();
    for rule in rules {
        common.retain_mut(|lock| {
            let other = rule.iter().find(|other| other.is_for(&lock.header));
            lock.values
                .extend(other.iter().flat_map(|other| other.values.clone()));
            other.is_some()
        });
    }
    common
}

fn items<'n>(node: &'n Node, name: &str) -> impl Iterator<Item = &'n Node> {
    let items = node.member(name).map_or(&[][..], |list| list.items());
    items.iter().map(Rc::as_ref)
}

fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    node.member(name)?.text()
}

fn texts(node: &Node, name: &str) -> Vec<String> {
    let texts = items(node, name).filter_map(Node::text);
    texts.map(str::to_owned).collect()
}
