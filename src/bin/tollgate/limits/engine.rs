//! The file that envoyproxy/ratelimit reads.

use std::fmt::Write as _;

use super::export::{Kept, LIMIT, MODEL, SELECTED};
use super::quoted;

/// One level of descriptors: the key, and a descriptor for each value, or one for any value.
struct Level<'k> {
    key: &'static str,
    values: Vec<Option<&'k str>>,
}

/// The file. Each limit has a tree of its own, so that a tenant which is written out in one inherits nothing and loses
/// nothing in another.
pub(super) fn text(domain: &str, limits: &[Kept]) -> String {
    let mut text = format!(
        "# Written by `tollgate limits export engine`. `requests_per_unit` are tokens where Envoy charges tokens.\ndomain: {}\ndescriptors:\n",
        quoted(domain)
    );
    for limit in limits {
        write(&mut text, &levels(limit), limit, 0);
    }
    text
}

/// In the order in which Envoy sends the entries.
fn levels(limit: &Kept) -> Vec<Level<'_>> {
    let one = |value| vec![Some(value)];
    let mut levels = vec![Level {
        key: LIMIT,
        values: one(limit.id.as_str()),
    }];
    for gate in limit.gates() {
        levels.push(Level {
            key: gate.key,
            values: one(SELECTED),
        });
    }
    if limit.per_tenant {
        let tenants = limit.tenants.iter().map(|tenant| Some(tenant.as_str()));
        let mut values: Vec<_> = tenants.collect();
        if values.is_empty() {
            values.push(None);
        }
        levels.push(Level {
            key: super::export::TENANT,
            values,
        });
    }
    if limit.per_model {
        levels.push(Level {
            key: MODEL,
            values: vec![None],
        });
    }
    levels
}

fn write(text: &mut String, levels: &[Level<'_>], limit: &Kept, depth: usize) {
    let Some((level, below)) = levels.split_first() else {
        return;
    };
    let indent = "  ".repeat(depth);
    for value in &level.values {
        let _ = writeln!(text, "{indent}- key: {}", level.key);
        if let Some(value) = value {
            let _ = writeln!(text, "{indent}  value: {}", quoted(value));
        }
        if below.is_empty() {
            if limit.is_audit {
                let _ = writeln!(text, "{indent}  shadow_mode: true");
            }
            let Kept {
                id, unit, amount, ..
            } = limit;
            let _ = writeln!(
                text,
                "{indent}  rate_limit: {{name: {}, unit: {unit}, requests_per_unit: {amount}}}",
                quoted(id)
            );
        } else {
            let _ = writeln!(text, "{indent}  descriptors:");
            write(text, below, limit, depth.saturating_add(1));
        }
    }
}
