//! Chooses each sequence's next token from its logits.

use candle_core::{Result, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::most_likely;
use crate::parameters::Sampling;

/// A sequence's own stream of draws: its tokens do not depend on who runs beside it.
pub struct Draws(Option<ChaCha8Rng>);

impl Draws {
    /// The stream of the request with this number in the window.
    pub fn new(sampling: &Sampling, ordinal: u64) -> Self {
        match sampling {
            Sampling::Greedy => Self(None),
            Sampling::Random { seed, .. } => {
                let mut random = ChaCha8Rng::seed_from_u64(*seed);
                random.set_stream(ordinal);
                Self(Some(random))
            }
        }
    }
}

/// One token per row of `logits`, (sequences, vocabulary); `draws` in the order of the rows.
pub fn choose<'a>(
    sampling: &Sampling,
    logits: &Tensor,
    draws: impl Iterator<Item = &'a mut Draws>,
) -> Result<Vec<u32>> {
    let Sampling::Random {
        temperature, top_k, ..
    } = sampling
    else {
        return most_likely(logits);
    };
    // A temperature too small for 32 bits must not become a division by zero.
    let temperature = (*temperature as f32).max(f32::MIN_POSITIVE);
    let rows = logits.to_vec2::<f32>()?;
    let chosen = rows.iter().zip(draws).map(|(row, Draws(random))| {
        let point = random.as_mut().map_or(0.0, |random| random.random::<f32>());
        draw(row, temperature, *top_k, point)
    });
    Ok(chosen.collect())
}

/// Draws from the softmax of `logits / temperature` over the `top_k` largest, where `point` in [0, 1) falls.
fn draw(logits: &[f32], temperature: f32, top_k: Option<usize>, point: f32) -> u32 {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    let keep = top_k.unwrap_or(logits.len()).clamp(1, logits.len());
    if keep < order.len() {
        order.select_nth_unstable_by(keep - 1, |left, right| {
            logits[*right]
                .total_cmp(&logits[*left])
                .then(left.cmp(right))
        });
        order.truncate(keep);
    }
    let largest = order
        .iter()
        .map(|place| logits[*place])
        .fold(f32::NEG_INFINITY, f32::max);
    let masses: Vec<f32> = order
        .iter()
        .map(|place| ((logits[*place] - largest) / temperature).exp())
        .collect();
    let mut left = point * masses.iter().sum::<f32>();
    let last = order.len() - 1;
    let chosen = masses.iter().position(|mass| {
        left -= mass;
        left < 0.0
    });
    u32::try_from(order[chosen.unwrap_or(last)]).expect("a vocabulary is at most 2²⁰ tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_softmax() {
        let logits = [0.0, 2.0f32.ln(), 5.0f32.ln()];
        let mut counts = [0u32; 3];
        for step in 0..8_000u16 {
            counts[draw(&logits, 1.0, None, f32::from(step) / 8_000.0) as usize] += 1;
        }
        for (count, expected) in counts.into_iter().zip([1_000u32, 2_000, 5_000]) {
            assert!(count.abs_diff(expected) <= 2, "{counts:?}");
        }
    }

    #[test]
    fn top_k_keeps_the_largest_only() {
        let logits = [0.0, 3.0, 1.0, 2.0];
        for step in 0..100u8 {
            let token = draw(&logits, 100.0, Some(2), f32::from(step) / 100.0);
            assert!(token == 1 || token == 3, "{token}");
        }
        assert_eq!(draw(&logits, 1.0, Some(1), 0.99), 1);
    }

    #[test]
    fn a_low_temperature_is_greedy_and_never_not_a_number() {
        assert_eq!(draw(&[1.0, 1.5, -1.0], 1e-20, None, 0.999), 1);
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let sampling = Sampling::Random {
            temperature: 1.0,
            top_k: None,
            seed: 9,
        };
        let logits = Tensor::zeros(
            (2, 1000),
            candle_core::DType::F32,
            &candle_core::Device::Cpu,
        )
        .unwrap();
        let tokens = || {
            let mut draws = [Draws::new(&sampling, 0), Draws::new(&sampling, 1)];
            choose(&sampling, &logits, draws.iter_mut()).unwrap()
        };
        assert_eq!(tokens(), tokens());
        assert_ne!(tokens()[0], tokens()[1]);
    }
}
