//! The model against itself: cached against recomputed, together against alone, seeds, groups.

use super::*;

const TINY: Shape = Shape {
    hidden_size: 32,
    num_layers: 2,
    num_heads: 4,
    num_kv_heads: 2,
    intermediate_size: 48,
    vocab_size: 97,
    context_length: 64,
};

fn llama(dtype: DType, seed: u64) -> Llama {
    Llama::random(TINY, dtype, seed, &mut || true)
        .unwrap()
        .unwrap()
}

fn prompt(length: usize, step: u32) -> Vec<u32> {
    (0..length)
        .map(|place| (index(place) * step + 5) % index(TINY.vocab_size))
        .collect()
}

/// Logits after the last of `tokens`, taken in at once.
fn recomputed(llama: &Llama, tokens: &[u32]) -> Vec<f32> {
    let mut cache = llama.cache(tokens.len()).unwrap();
    let logits = llama
        .step(&mut [Span {
            tokens,
            cache: &mut cache,
        }])
        .unwrap();
    logits.squeeze(0).unwrap().to_vec1().unwrap()
}

fn greedy(llama: &Llama, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut cache = llama.cache(prompt.len() + count).unwrap();
    let mut next = prompt.to_vec();
    let mut output = Vec::new();
    for _ in 0..count {
        let logits = llama
            .step(&mut [Span {
                tokens: &next,
                cache: &mut cache,
            }])
            .unwrap();
        next = most_likely(&logits).unwrap();
        output.extend(&next);
    }
    output
}

fn assert_close(left: &[f32], right: &[f32], tolerance: f32) {
    assert_eq!(left.len(), right.len());
    for (place, (left, right)) in left.iter().zip(right).enumerate() {
        assert!(
            (left - right).abs() <= tolerance,
            "logit {place}: {left} against {right}"
        );
    }
}

#[test]
fn decoding_over_the_cache_equals_computing_it_all_again() {
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 1e-3), (DType::BF16, 8e-3)] {
        let llama = llama(dtype, 1);
        let tokens = prompt(24, 7);
        let mut cache = llama.cache(tokens.len()).unwrap();
        // A prompt in two pieces, then token by token.
        for range in [0..5, 5..12]
            .into_iter()
            .chain((12..tokens.len()).map(|at| at..at + 1))
        {
            let end = range.end;
            let logits = llama
                .step(&mut [Span {
                    tokens: &tokens[range],
                    cache: &mut cache,
                }])
                .unwrap();
            let logits = logits.squeeze(0).unwrap().to_vec1::<f32>().unwrap();
            assert_close(&logits, &recomputed(&llama, &tokens[..end]), tolerance);
        }
        assert_eq!(cache.length(), tokens.len());
    }
}

#[test]
fn a_dtype_rounds_the_same_weights() {
    let tokens = prompt(12, 7);
    let exact = recomputed(&llama(DType::F32, 1), &tokens);
    let furthest = |dtype| {
        let rounded = recomputed(&llama(dtype, 1), &tokens);
        let distances = exact
            .iter()
            .zip(&rounded)
            .map(|(left, right)| (left - right).abs());
        distances.fold(0.0, f32::max)
    };
    let (half, brain) = (furthest(DType::F16), furthest(DType::BF16));
    assert!(0.0 < half && half < brain && brain < 1e-2, "{half} {brain}");
}

#[test]
fn the_order_of_tokens_matters() {
    // Without rotary embedding a swap of two earlier tokens would leave the last logits unchanged.
    let llama = llama(DType::F32, 1);
    let tokens = prompt(6, 7);
    let mut swapped = tokens.clone();
    swapped.swap(0, 2);
    let (left, right) = (recomputed(&llama, &tokens), recomputed(&llama, &swapped));
    assert!(
        left.iter()
            .zip(&right)
            .any(|(left, right)| (left - right).abs() > 1e-5)
    );
}

#[test]
fn a_seed_fixes_the_tokens_and_another_seed_changes_them() {
    let tokens = prompt(8, 3);
    let first = greedy(&llama(DType::F32, 7), &tokens, 12);
    assert_eq!(first, greedy(&llama(DType::F32, 7), &tokens, 12));
    assert_ne!(first, greedy(&llama(DType::F32, 8), &tokens, 12));
}

#[test]
fn sequences_of_different_lengths_do_not_disturb_each_other() {
    let llama = llama(DType::F32, 3);
    let prompts = [prompt(3, 7), prompt(11, 5), prompt(1, 2)];
    let alone: Vec<_> = prompts
        .iter()
        .map(|prompt| greedy(&llama, prompt, 9))
        .collect();
    let mut caches: Vec<_> = prompts
        .iter()
        .map(|prompt| llama.cache(prompt.len() + 12).unwrap())
        .collect();
    let mut next = prompts.to_vec();
    let mut outputs = vec![Vec::new(); prompts.len()];
    for step in 0..11 {
        // The last one joins two steps later: its prefill shares a step with the others' decoding.
        let active = if step < 2 { 2 } else { 3 };
        let mut spans: Vec<_> = next
            .iter()
            .zip(&mut caches)
            .take(active)
            .map(|(tokens, cache)| Span { tokens, cache })
            .collect();
        let tokens = most_likely(&llama.step(&mut spans).unwrap()).unwrap();
        for (place, token) in tokens.into_iter().enumerate() {
            outputs[place].push(token);
            next[place] = vec![token];
        }
    }
    for (alone, together) in alone.iter().zip(&outputs) {
        assert_eq!(alone.as_slice(), &together[..9]);
    }
}

#[test]
fn grouped_heads_equal_repeated_ones() {
    // Two kv heads for four heads must equal four kv heads whose weights are those two, each twice.
    let grouped = llama(DType::F32, 5);
    let mut full = llama(DType::F32, 5);
    full.shape.num_kv_heads = 4;
    for layer in &mut full.layers {
        for weight in [&mut layer.key, &mut layer.value] {
            let heads = weight.reshape((32, 2, 1, 8)).unwrap();
            let twice = heads.repeat((1, 1, 2, 1)).unwrap();
            *weight = twice.reshape((32, 32)).unwrap();
        }
    }
    let tokens = prompt(9, 11);
    assert_close(
        &recomputed(&grouped, &tokens),
        &recomputed(&full, &tokens),
        1e-6,
    );
}

#[test]
fn weights_have_the_deviation_and_the_number_they_should() {
    let llama = llama(DType::F32, 2);
    assert_eq!(u128::from(llama.weights()), TINY.weights());
    let values = llama
        .output
        .flatten_all()
        .unwrap()
        .to_vec1::<f32>()
        .unwrap();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let deviation = (values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f32>()
        / values.len() as f32)
        .sqrt();
    assert!(
        mean.abs() < 0.002 && (deviation - 0.02).abs() < 0.001,
        "{mean} {deviation}"
    );
}

#[test]
fn drawing_stops_when_told() {
    let mut asked = 0;
    let stopped = Llama::random(TINY, DType::F32, 1, &mut || {
        asked += 1;
        asked < 2
    });
    assert!(stopped.unwrap().is_none());
    assert_eq!(asked, 2);
}
