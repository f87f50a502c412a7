//! `reserve` and `weights`: what tokens are taken for, for all models and for some.

use super::Compiler;
use crate::config::Config;
use crate::config::faults::read;
use crate::config::limits::{ReserveConfig, WeightsConfig};
use crate::model_name::ModelPattern;
use crate::quota::{PerModel, Reserve, Weights};

/// Most tokens of output that are set aside.
pub(crate) const MAX_OUTPUT_TOKENS: u64 = 10_000_000;
/// Most bytes that make a token.
pub(crate) const MAX_BYTES_PER_TOKEN: u64 = 100;
/// The largest weight.
pub(crate) const MAX_WEIGHT: u32 = 1000;

impl Compiler<'_> {
    pub(super) fn reserve(&mut self, config: &Config<'_>) -> PerModel<Reserve> {
        let written: Option<ReserveConfig> = config
            .reserve
            .and_then(|raw| read(raw.get(), "reserve", &mut self.faults));
        let Some(written) = written else {
            return PerModel::default();
        };
        let all = self.reserve_of(
            "reserve",
            written.output_tokens,
            written.bytes_per_token,
            Reserve::default(),
        );
        let some = written.models.iter().enumerate().map(|(index, entry)| {
            let path = format!("reserve.models[{index}]");
            let reserve = self.reserve_of(&path, entry.output_tokens, entry.bytes_per_token, all);
            (self.models_of(&path, &entry.models), reserve)
        });
        PerModel {
            some: some.collect(),
            all,
        }
    }

    fn reserve_of(
        &mut self,
        path: &str,
        output_tokens: Option<u64>,
        bytes_per_token: Option<u64>,
        mut reserve: Reserve,
    ) -> Reserve {
        for (name, value, most, place) in [
            (
                "outputTokens",
                output_tokens,
                MAX_OUTPUT_TOKENS,
                &mut reserve.output_tokens,
            ),
            (
                "bytesPerToken",
                bytes_per_token,
                MAX_BYTES_PER_TOKEN,
                &mut reserve.bytes_per_token,
            ),
        ] {
            let Some(value) = value else {
                continue;
            };
            if !(1..=most).contains(&value) {
                self.fault(format!("{path}.{name}"), format!("expected 1 to {most}"));
            }
            *place = value;
        }
        reserve
    }

    pub(super) fn weights(&mut self, config: &Config<'_>) -> PerModel<Weights> {
        let written: Option<WeightsConfig> = config
            .weights
            .and_then(|raw| read(raw.get(), "weights", &mut self.faults));
        let Some(written) = written else {
            return PerModel::default();
        };
        let values = [written.input, written.cached_input, written.output];
        let all = self.weights_of("weights", values, Weights::default());
        let some = written.models.iter().enumerate().map(|(index, entry)| {
            let path = format!("weights.models[{index}]");
            let values = [entry.input, entry.cached_input, entry.output];
            let weights = self.weights_of(&path, values, all);
            (self.models_of(&path, &entry.models), weights)
        });
        PerModel {
            some: some.collect(),
            all,
        }
    }

    /// Input, cached input and output.
    fn weights_of(&mut self, path: &str, values: [Option<f64>; 3], else_: Weights) -> Weights {
        let [input, cached_input, output] = values;
        let mut weight = |name: &str, value: Option<f64>, default: u64| {
            let Some(value) = value else {
                return default;
            };
            if !(0.0..=f64::from(MAX_WEIGHT)).contains(&value) {
                self.fault(
                    format!("{path}.{name}"),
                    format!("expected 0 to {MAX_WEIGHT}"),
                );
                return default;
            }
            let thousandths = thousandths(value);
            if thousandths.is_none() {
                self.fault(format!("{path}.{name}"), "expected three decimals at most");
            }
            thousandths.unwrap_or(default)
        };
        let new_input = weight("input", input, else_.input);
        let cached = if input.is_some() {
            new_input
        } else {
            else_.cached_input
        };
        Weights {
            input: new_input,
            cached_input: weight("cachedInput", cached_input, cached),
            output: weight("output", output, else_.output),
        }
    }

    fn models_of(&mut self, path: &str, names: &[String]) -> Vec<ModelPattern> {
        let path = format!("{path}.models");
        if names.is_empty() {
            self.fault(path.as_str(), "expected at least one model");
        }
        self.patterns(&path, names)
    }
}

/// Thousandths of a weight in its range; `None` for one that is finer.
fn thousandths(value: f64) -> Option<u64> {
    let scaled = value * 1000.0;
    let whole = scaled.round();
    let fits = (scaled - whole).abs() < 1e-6;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to a million, and whole"
    )]
    fits.then_some(whole as u64)
}
