//! A usage object's total, held against its parts: it tells on which side something is missing.

use super::{Counts, Usage, sum};
use crate::rows::named;

named! {
    /// How the numbers of a reply contradict each other, or what such numbers mean elsewhere.
    pub enum Contradiction {
        /// A number is negative, or so large that a small one has wrapped around. The object is not believed.
        ImpossibleCount = "impossible_count",
        /// The total is less than the parts. Below one of them, the object is not believed; else what is left of the total
        /// is a lower bound.
        TotalTooSmall = "total_too_small",
        /// The total has more than the parts, and the details explain it in two ways. The parts are a lower bound.
        TotalAmbiguous = "total_ambiguous",
        /// The total has output that the count of the output leaves out, named or not. It is added.
        OutputOutside = "output_outside",
        /// The total has input that the count of the input leaves out, such as what was cached. It is added.
        InputOutside = "input_outside",
        /// The total shows that what a shape counts beside its sides stands inside them. It is not added.
        PartInside = "part_inside",
        /// A part is larger than what contains it, and no total decides. The sides are a lower bound.
        PartTooLarge = "part_too_large",
        /// A running count fell. The highest is a lower bound.
        CountFell = "count_fell",
        /// A message began before the one ahead had its final counts. Their sum is a lower bound.
        MessageCut = "message_cut",
    }
    /// The value of the `reason` label.
    fn as_str;
}

/// A usage object in the inclusive meaning of [`Usage`], and what that is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// [`Usage::NONE`] if the object is not believed.
    pub(crate) usage: Usage,
    /// The numbers are what the server means, and not only a lower bound.
    pub(crate) firm: bool,
    pub(crate) contradiction: Option<Contradiction>,
}

impl Settled {
    const fn firm(usage: Usage, contradiction: Option<Contradiction>) -> Self {
        Self {
            usage,
            firm: true,
            contradiction,
        }
    }

    const fn bound(usage: Usage, contradiction: Contradiction) -> Self {
        Self {
            usage,
            firm: false,
            contradiction: Some(contradiction),
        }
    }

    /// Whether the object is believed at all.
    pub(crate) fn is_believed(&self) -> bool {
        self.usage != Usage::NONE
    }
}

/// Both sides of a usage object.
type Sides = (u64, u64);

impl Counts {
    /// What the object means: by its shape, and where its total says otherwise, by that. `embeds` says that nothing is
    /// generated.
    pub(crate) fn settle(&self, embeds: bool) -> Settled {
        if self.impossible {
            return Settled::bound(Usage::NONE, Contradiction::ImpossibleCount);
        }
        let mut usage = self.by_shape();
        // Servers that do not fill the total in leave it at zero.
        let mut settled = match (self.total, usage.input, usage.output) {
            (None | Some(0), _, _) => self.without_total(usage),
            (Some(total), Some(input), None) if embeds => {
                usage.output = Some(0);
                by_rest(total, (input, 0), usage, true)
            }
            (Some(total), Some(input), Some(output)) => {
                if input.saturating_add(output) == total {
                    Settled::firm(usage, None)
                } else {
                    self.by_total(total, (input, output), usage, embeds)
                }
            }
            // A missing side is the total less the other side.
            (Some(total), Some(known), None) | (Some(total), None, Some(known)) => {
                match total.checked_sub(known) {
                    Some(rest) => {
                        usage.input = usage.input.or(Some(rest));
                        usage.output = usage.output.or(Some(rest));
                        Settled::firm(usage, None)
                    }
                    None => Settled::bound(Usage::NONE, Contradiction::TotalTooSmall),
                }
            }
            (Some(_), None, None) => Settled::firm(usage, None),
        };
        if let Some(beside) = &self.beside {
            settled.add(beside);
        }
        let usage = &mut settled.usage;
        let within = |part: Option<u64>, whole: Option<u64>| part.filter(|_| part <= whole);
        usage.cached_input = within(usage.cached_input, usage.input);
        usage.cache_creation_input = within(usage.cache_creation_input, usage.input);
        usage.reasoning = within(usage.reasoning, usage.output);
        settled
    }

    /// By what is documented of the shape.
    pub(super) fn by_shape(&self) -> Usage {
        let [read, creation] = if self.cache_is_extra {
            [self.cache_read, self.cache_creation]
        } else {
            [None, None]
        };
        let reasoning = self.reasoning.filter(|_| self.reasoning_is_extra);
        Usage {
            input: sum([self.input, read, creation, self.tool_input]),
            output: sum([self.output, reasoning]),
            cached_input: self.cache_read,
            cache_creation_input: self.cache_creation,
            reasoning: self.reasoning,
        }
    }

    fn without_total(&self, mut usage: Usage) -> Settled {
        let reasoning = self.reasoning.filter(|_| !self.reasoning_is_extra);
        if reasoning > usage.output && usage.output.unwrap_or(0) == 0 {
            // Nothing but reasoning was generated, and it was not counted in.
            usage.output = reasoning;
            return Settled::firm(usage, Some(Contradiction::OutputOutside));
        }
        let cached = sum([self.cache_read, self.cache_creation]).filter(|_| !self.cache_is_extra);
        if reasoning > usage.output || (usage.input.is_some() && cached > usage.input) {
            return Settled::bound(usage, Contradiction::PartTooLarge);
        }
        Settled::firm(usage, None)
    }

    /// The total is not the sum of the sides: the one way to count the named parts otherwise that makes it the sum. xAI's
    /// reasoning is such a part (its page on consumption: counted "separately from `completion_tokens`, but" in
    /// `total_tokens`).
    fn by_total(&self, total: u64, sides: Sides, usage: Usage, embeds: bool) -> Settled {
        let (input, output) = sides;
        let read = self.cache_read.unwrap_or(0);
        let creation = self.cache_creation.unwrap_or(0);
        let reasoning = self.reasoning.unwrap_or(0);
        let moved = |side: u64, part: u64, is_extra: bool| {
            if is_extra {
                side.checked_sub(part)
            } else {
                side.checked_add(part)
            }
        };
        let mut explained: Option<Sides> = None;
        for cached in [0, read.saturating_add(creation), read, creation] {
            for tool in [0, self.tool_input.unwrap_or(0)] {
                let input = moved(input, cached, self.cache_is_extra);
                let input = input.and_then(|input| input.checked_sub(tool));
                for generated in [0, reasoning] {
                    let output = moved(output, generated, self.reasoning_is_extra);
                    let Some(sides) = input
                        .zip(output)
                        .filter(|(input, output)| input.checked_add(*output) == Some(total))
                    else {
                        continue;
                    };
                    if explained.is_some_and(|other| other != sides) {
                        return Settled::bound(usage, Contradiction::TotalAmbiguous);
                    }
                    explained = Some(sides);
                }
            }
        }
        let Some((new_input, new_output)) = explained else {
            return by_rest(total, sides, usage, embeds);
        };
        let contradiction = if new_output > output {
            Contradiction::OutputOutside
        } else if new_input > input {
            Contradiction::InputOutside
        } else {
            Contradiction::PartInside
        };
        Settled::firm(with(usage, new_input, new_output), Some(contradiction))
    }
}

/// No named part explains the total.
fn by_rest(total: u64, (input, output): Sides, usage: Usage, embeds: bool) -> Settled {
    let (without_input, without_output) = (total.checked_sub(input), total.checked_sub(output));
    let (Some(rest), Some(other_rest)) = (without_input, without_output) else {
        return Settled::bound(Usage::NONE, Contradiction::TotalTooSmall);
    };
    match total.cmp(&input.saturating_add(output)) {
        std::cmp::Ordering::Equal => Settled::firm(usage, None),
        // Two of the three numbers are right, and nobody knows which two.
        std::cmp::Ordering::Less => {
            Settled::bound(with(usage, other_rest, rest), Contradiction::TotalTooSmall)
        }
        // No prompt is empty; an empty one was not counted.
        std::cmp::Ordering::Greater if input == 0 || embeds => Settled::firm(
            with(usage, other_rest, output),
            Some(Contradiction::InputOutside),
        ),
        // Thoughts that are shown in the total only, as in Gemini's OpenAI-compatible API (public bug reports of its clients).
        std::cmp::Ordering::Greater => {
            Settled::firm(with(usage, input, rest), Some(Contradiction::OutputOutside))
        }
    }
}

const fn with(mut usage: Usage, input: u64, output: u64) -> Usage {
    usage.input = Some(input);
    usage.output = Some(output);
    usage
}
