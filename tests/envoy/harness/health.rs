//! What must hold after any abuse: Envoy and the filter live, and the books balance.

use std::collections::BTreeMap;

use super::demo::LLAMA;
use super::{Gateway, eventually, send};

/// What Envoy's log says when a VM dies. Envoy would go on with a new one, and the next request would not notice.
const SIGNS_OF_DEATH: [&str; 4] = [
    "Uncaught RuntimeError",
    "panicked at",
    "wasm_fail",
    "VM failure",
];

impl Gateway {
    /// Panics if Envoy or a VM died, if a good request is not served, or if requests were lost from the books.
    pub(crate) fn assert_sound(&self, case: &str) {
        let answer = send(self.chat(LLAMA));
        assert_eq!(
            answer.verdict(),
            (200, None),
            "the next request after {case}: {answer:?}"
        );
        self.assert_alive(case);
        self.assert_balanced(case);
    }

    /// Panics if a VM died.
    pub(crate) fn assert_alive(&self, case: &str) {
        let log = self.log();
        for sign in SIGNS_OF_DEATH {
            assert!(!log.contains(sign), "{sign} in Envoy's log after {case}");
        }
        let stats = self.numbers("^wasm");
        let created = stats.iter().any(|(name, _)| name.ends_with("v8.created"));
        assert!(created, "no VM in {stats:?}");
        for (name, value) in stats {
            let reload = name.contains("vm_reload") || name.contains("fail");
            assert!(!reload || value == 0, "{name} is {value} after {case}");
        }
    }

    /// Waits until every request that Envoy has met is over, and is in the access log and in the metric once.
    pub(crate) fn assert_balanced(&self, case: &str) {
        eventually(&format!("balanced books after {case}"), || {
            let stats = self.numbers("^http.gateway.downstream_rq_(total|active)$");
            let met = stats["http.gateway.downstream_rq_total"];
            let active = stats["http.gateway.downstream_rq_active"];
            let logged = self.access_log_so_far().len() as u64;
            let counted = self.requests_by("outcome").values().sum::<u64>();
            (active == 0 && [met, logged] == [counted; 2])
                .then_some(())
                .ok_or_else(|| {
                    format!("{met} met, {active} active, {logged} logged, {counted} counted")
                })
        });
    }

    /// `tollgate_requests_total` by the values of one label.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are whole and small"
    )]
    pub(crate) fn requests_by(&self, label: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (series, value) in self.counted() {
            if series.name == "tollgate_requests_total" {
                *sums.entry(series.labels[label].clone()).or_default() += value as u64;
            }
        }
        sums
    }

    /// Envoy's own counters and gauges whose names match.
    pub(crate) fn numbers(&self, pattern: &str) -> BTreeMap<String, u64> {
        let text = self.admin_text(&format!("/stats?filter={pattern}"));
        text.lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect()
    }
}
