//! Each request of a record: its lengths are what was asked, its times are in order, its chunks add up.

use lem_protocol::{Record, RequestRecord, TimingKind, UnfinishedRequest};

use super::{in_order, same};
use crate::campaign::PromptLength;

/// Looks at all requests, finished or not.
pub(super) fn check(
    record: &Record,
    lengths: &[PromptLength],
    start: u64,
    end: u64,
) -> Result<(), String> {
    let mut inputs = Inputs {
        lengths,
        seen: vec![None; lengths.len()],
    };
    for (index, request) in record.requests.iter().enumerate() {
        finished(request, record.token_timing, &mut inputs, start, end)
            .map_err(|what| format!("requests[{index}]: {what}"))?;
    }
    for (index, request) in record.unfinished.iter().enumerate() {
        unfinished(request, &mut inputs, start, end)
            .map_err(|what| format!("unfinished[{index}]: {what}"))?;
    }
    Ok(())
}

/// What was asked of each prompt, and how long the inputs turned out that only a tokenizer knows.
struct Inputs<'a> {
    lengths: &'a [PromptLength],
    seen: Vec<Option<u32>>,
}

impl Inputs<'_> {
    /// What was asked of a prompt, once its input is what was sent.
    fn asked(&mut self, prompt: u32, input_tokens: u32) -> Result<PromptLength, String> {
        let place = prompt as usize;
        let (Some(asked), Some(seen)) = (self.lengths.get(place), self.seen.get_mut(place)) else {
            return Err(format!("prompt {prompt} of {}", self.lengths.len()));
        };
        // A text becomes the same tokens every time.
        let want = asked.input_tokens.or(*seen).unwrap_or(input_tokens);
        same("input_tokens", &input_tokens, &want)?;
        if input_tokens == 0 {
            return Err("it has no input".to_owned());
        }
        *seen = Some(input_tokens);
        Ok(*asked)
    }
}

fn finished(
    request: &RequestRecord,
    timing: TimingKind,
    inputs: &mut Inputs<'_>,
    start: u64,
    end: u64,
) -> Result<(), String> {
    let asked = inputs.asked(request.prompt, request.input_tokens)?;
    output(request, asked)?;
    same(
        "gaps",
        &request.token_gaps_ns.len(),
        &(request.output_tokens as usize).saturating_sub(1),
    )?;
    chunks(request, timing)?;
    if request.cached_tokens > request.input_tokens {
        return Err(format!(
            "{} of {} input tokens came out of a cache",
            request.cached_tokens, request.input_tokens
        ));
    }
    in_order(
        "request",
        &[
            ("measure_start", start),
            ("queued", request.queued_ns),
            ("prefill", request.prefill_ns),
            ("first token", request.first_token_ns),
            ("last token", request.last_token_ns()),
            ("measure_end", end),
        ],
    )
}

fn output(request: &RequestRecord, asked: PromptLength) -> Result<(), String> {
    let (made, most) = (request.output_tokens, asked.output_tokens);
    if !asked.natural {
        if request.ended_early {
            return Err("it ended early, and its length was fixed".to_owned());
        }
        return same("output_tokens", &made, &most);
    }
    if made == 0 || made > most {
        return Err(format!("output_tokens is {made}, asked for 1 to {most}"));
    }
    // An end that the model chose may fall on the last token that was allowed.
    if made < most && !request.ended_early {
        return Err(format!(
            "output_tokens is {made} of {most}, and it did not end early"
        ));
    }
    Ok(())
}

fn chunks(request: &RequestRecord, timing: TimingKind) -> Result<(), String> {
    if request.chunk_tokens.is_empty() {
        return Ok(());
    }
    let sum: u64 = request.chunk_tokens.iter().copied().map(u64::from).sum();
    if sum != u64::from(request.output_tokens) || request.chunk_tokens.contains(&0) {
        return Err(format!(
            "chunk_tokens has {} chunks of {sum} tokens together, of {} output tokens",
            request.chunk_tokens.len(),
            request.output_tokens
        ));
    }
    let single = request.chunk_tokens.iter().all(|tokens| *tokens == 1);
    if !single && timing == TimingKind::Measured {
        return Err("a chunk holds several tokens, and token_timing is measured".to_owned());
    }
    Ok(())
}

fn unfinished(
    request: &UnfinishedRequest,
    inputs: &mut Inputs<'_>,
    start: u64,
    end: u64,
) -> Result<(), String> {
    let asked = inputs.asked(request.prompt, request.input_tokens)?;
    if request.output_tokens() >= u64::from(asked.output_tokens) {
        let (made, most) = (request.output_tokens(), asked.output_tokens);
        return Err(format!(
            "it has {made} of {most} output tokens: it is finished"
        ));
    }
    if request.first_token_ns.is_none() && !request.token_gaps_ns.is_empty() {
        return Err("it has gaps between tokens and no first token".to_owned());
    }
    if request.prefill_ns.is_none() && request.first_token_ns.is_some() {
        return Err("it has a first token and no prefill".to_owned());
    }
    let times = [
        ("measure_start", Some(start)),
        ("queued", Some(request.queued_ns)),
        ("prefill", request.prefill_ns),
        ("first token", request.first_token_ns),
        ("last token", request.last_token_ns()),
        ("measure_end", Some(end)),
    ];
    let known: Vec<(&str, u64)> = times
        .into_iter()
        .filter_map(|(name, at)| Some((name, at?)))
        .collect();
    in_order("request", &known)
}
