//! `trustedHeaders`: the gateway in front, its proof, and its identity headers.

use super::Compiler;
use crate::access::ModelHeader;
use crate::config::faults::read;
use crate::config::{Config, GatewayProofConfig, TrustedHeadersConfig};
use crate::forward::is_ours;
use crate::headers::same_name;
use crate::identity::{GatewayProof, Source, TrustedHeaders};

impl Compiler<'_> {
    /// `sources` and `model_header` are headers that already have a meaning.
    pub(super) fn trusted_headers(
        &mut self,
        config: &Config<'_>,
        sources: &[Source],
        model_header: &ModelHeader,
    ) -> Option<TrustedHeaders> {
        let raw = config.trusted_headers?;
        let written: TrustedHeadersConfig<'_> =
            read(raw.get(), "trustedHeaders", &mut self.faults)?;
        let proof = self.gateway_proof(&written.proof);
        let mut names: Vec<Box<str>> = Vec::new();
        let mut header = |compiler: &mut Self, path: &str, name: &str| {
            let name = compiler.header_name(path, name);
            let is = |other: &str| same_name(name.as_bytes(), other);
            if names.iter().any(|other| is(other)) {
                compiler.fault(
                    path,
                    "the same header as an earlier one; expected each header once",
                );
            }
            let taken = is(&model_header.name) || sources.iter().any(|source| is(&source.header));
            if taken || is_ours(&name) {
                compiler.fault(
                    path,
                    "this header is a credential source, the model header or set by the filter; expected another one",
                );
            }
            names.push(name.clone());
            name
        };
        if let Some(GatewayProof::Secret { header: name, .. }) = &proof {
            header(self, "trustedHeaders.proof.header", name);
        }
        let principal = header(
            self,
            "trustedHeaders.principalHeader",
            &written.principal_header,
        );
        let attributes = written
            .attributes_header
            .map(|name| header(self, "trustedHeaders.attributesHeader", &name));
        let mut attribute_headers = Vec::new();
        for (name, text) in
            self.entries(written.attribute_headers, "trustedHeaders.attributeHeaders")
        {
            let path = format!("trustedHeaders.attributeHeaders.{name}");
            let name = header(self, &path, &name);
            // The path is known, so serde need not report one.
            match serde_json::from_str::<String>(text) {
                Ok(attribute) => attribute_headers.push((name, attribute.into())),
                Err(_) => self.fault(path, "expected the name of an attribute as a string"),
            }
        }
        let mut attribute = |path: &str, name: Option<String>| {
            let name: Box<str> = name?.into();
            let known = attribute_headers.iter().any(|(_, other)| *other == name);
            if attributes.is_none() && !known {
                self.fault(
                    path,
                    "no header carries this attribute; expected one in `attributeHeaders`, or `attributesHeader`",
                );
            }
            Some(name)
        };
        let groups = attribute("trustedHeaders.groupsAttribute", written.groups_attribute);
        let tenant = attribute("trustedHeaders.tenantAttribute", written.tenant_attribute);
        if tenant.is_none() && written.default_tenant.is_none() {
            self.fault(
                "trustedHeaders",
                "no caller would have a tenant; expected `tenantAttribute`, `defaultTenant` or both",
            );
        }
        let default_tenant = written
            .default_tenant
            .and_then(|name| self.tenant(&"trustedHeaders.defaultTenant", &name));
        Some(TrustedHeaders {
            proof: proof?,
            principal,
            attributes,
            attribute_headers,
            groups,
            tenant,
            default_tenant,
        })
    }

    fn gateway_proof(&mut self, written: &GatewayProofConfig) -> Option<GatewayProof> {
        const PATH: &str = "trustedHeaders.proof";
        match (
            &written.header,
            &written.secret_hash,
            &written.client_certificate_san,
        ) {
            (Some(header), Some(hash), None) => Some(GatewayProof::Secret {
                header: self.header_name(&format!("{PATH}.header"), header),
                digest: self.digest(&format_args!("{PATH}.secretHash"), hash)?,
            }),
            (None, None, Some(names)) => {
                if names.is_empty() || names.iter().any(String::is_empty) {
                    self.fault(
                        format!("{PATH}.clientCertificateSan"),
                        "expected at least one name, none of them empty",
                    );
                }
                if !written.client_certs_verified {
                    self.fault(
                        format!("{PATH}.clientCertsVerified"),
                        "expected `true` to confirm that Envoy rejects unverified client certificates, whose names it reports too",
                    );
                }
                let names = names.iter().map(|name| name.as_str().into());
                Some(GatewayProof::Certificate {
                    names: names.collect(),
                })
            }
            _ => {
                self.fault(
                    PATH,
                    "expected either `header` and `secretHash`, or `clientCertificateSan` and `clientCertsVerified`",
                );
                None
            }
        }
    }
}
