//! `jwt`: the issuers whose tokens are accepted.

use super::Compiler;
use crate::config::faults::read_list;
use crate::config::{ClaimPath, Config, IssuerConfig};
use crate::identity::Issuer;

impl Compiler<'_> {
    pub(super) fn issuers(&mut self, config: &Config<'_>) -> Vec<Issuer> {
        let entries = read_list::<IssuerConfig>(config.jwt, "jwt", &mut self.faults);
        let mut issuers: Vec<Issuer> = Vec::with_capacity(entries.len());
        for (path, entry) in entries {
            for (name, value) in [
                ("metadataKey", &entry.metadata_key),
                ("issuer", &entry.issuer),
            ] {
                if value.is_empty() {
                    self.fault(format!("{path}.{name}"), "expected a non-empty string");
                }
            }
            let known = |other: &Issuer| {
                other.metadata_key == entry.metadata_key && other.issuer == entry.issuer
            };
            if issuers.iter().any(known) {
                self.fault(
                    format!("{path}.issuer"),
                    "the same `metadataKey` and `issuer` as an earlier entry; expected each pair once",
                );
            }
            let tenant_from_group = entry.tenant_from_group.iter().enumerate();
            let tenant_from_group = tenant_from_group
                .filter_map(|(index, rule)| {
                    let tenant = self.tenant(
                        &format!("{path}.tenantFromGroup[{index}].tenant"),
                        &rule.tenant,
                    )?;
                    Some((self.groups.intern(&rule.group), tenant))
                })
                .collect();
            let default_tenant = entry
                .default_tenant
                .and_then(|name| self.tenant(&format_args!("{path}.defaultTenant"), &name));
            let groups_claim = self.claim(&format!("{path}.groupsClaim"), entry.groups_claim);
            if entry.groups_separator.as_deref() == Some("") {
                self.fault(
                    format!("{path}.groupsSeparator"),
                    "expected a non-empty separator, such as `,`",
                );
            }
            issuers.push(Issuer {
                groups_separator: entry
                    .groups_separator
                    .or_else(|| default_separator(groups_claim.as_deref())),
                groups_claim,
                require_expiration: entry.require_expiration,
                tenant_claim: self.claim(&format!("{path}.tenantClaim"), entry.tenant_claim),
                user_claim: self.claim(&format!("{path}.userClaim"), entry.user_claim),
                metadata_key: entry.metadata_key,
                issuer: entry.issuer,
                tenant_from_group,
                default_tenant,
                group_prefix: entry.group_prefix,
            });
        }
        issuers
    }

    fn claim(&mut self, path: &str, claim: Option<ClaimPath>) -> Option<Vec<String>> {
        let segments = match claim? {
            ClaimPath::Name(name) => vec![name],
            ClaimPath::Path(path) => path,
        };
        if segments.is_empty()
            || segments
                .iter()
                .any(|segment| segment.is_empty() || segment.contains('\0'))
        {
            self.fault(
                path,
                "expected a claim name or a list of claim names, none of them empty",
            );
            return None;
        }
        Some(segments)
    }
}

/// Scopes are separated by spaces (RFC 6749, section 3.3). Entra calls the claim `scp`.
fn default_separator(claim: Option<&[String]>) -> Option<String> {
    let name = claim?.last()?;
    matches!(name.as_str(), "scope" | "scp").then(|| " ".to_owned())
}
