//! `jwt`: the issuers whose tokens are accepted.

use super::Compiler;
use crate::config::faults::read_list;
use crate::config::{ClaimPath, Config, IssuerConfig};
use crate::identity::{GroupsClaim, Issuer};

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
            let groups_claims = self.groups_claims(
                &path,
                entry.groups_claim,
                entry.groups_claims,
                entry.groups_separator.as_ref(),
            );
            if entry.groups_separator.as_deref() == Some("") {
                self.fault(
                    format!("{path}.groupsSeparator"),
                    "expected a non-empty separator, such as `,`",
                );
            }
            issuers.push(Issuer {
                groups_claims,
                groups_from_member_names: entry.groups_from_member_names,
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

    /// The claims that hold groups: the one or the several, each once.
    fn groups_claims(
        &mut self,
        path: &str,
        one: Option<ClaimPath>,
        several: Option<Vec<ClaimPath>>,
        separator: Option<&String>,
    ) -> Vec<GroupsClaim> {
        if one.is_some() && several.is_some() {
            self.fault(
                format!("{path}.groupsClaims"),
                "expected either `groupsClaim` or `groupsClaims`",
            );
        }
        if several.as_ref().is_some_and(Vec::is_empty) {
            self.fault(
                format!("{path}.groupsClaims"),
                "expected at least one claim",
            );
        }
        let one = one
            .into_iter()
            .map(|claim| (format!("{path}.groupsClaim"), claim));
        let several = several.into_iter().flatten().enumerate();
        let several =
            several.map(|(index, claim)| (format!("{path}.groupsClaims[{index}]"), claim));
        let mut claims: Vec<GroupsClaim> = Vec::new();
        for (path, claim) in one.chain(several) {
            let Some(names) = self.claim(&path, Some(claim)) else {
                continue;
            };
            if claims.iter().any(|other| other.path == names) {
                self.fault(path, "the same claim as one before; expected each once");
            }
            claims.push(GroupsClaim {
                separator: separator.cloned().or_else(|| default_separator(&names)),
                path: names,
            });
        }
        claims
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

/// Scopes are words between spaces, as RFC 6749, section 3.3, has them; Entra calls the claim `scp`.
fn default_separator(claim: &[String]) -> Option<String> {
    let name = claim.last()?;
    matches!(name.as_str(), "scope" | "scp").then(|| " ".to_owned())
}
