//! In which order the runs are measured: experiments × cycles → a deterministic sequence.
//!
//! Order is decided before anything else of the plan, and by the seed alone, so that what a user
//! publishes about it can be repeated. Knows nothing of steps.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::campaign::Structure;

/// One run's place: which experiment (an index), in which cycle (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Index of the experiment.
    pub experiment: usize,
    /// The cycle, from 1.
    pub cycle: u32,
}

/// The runs in the order in which they are measured. `keys[i]` is the engine-key group of experiment
/// `i`, numbered by first appearance.
///
/// - grouped: all cycles of an experiment back to back, experiments of one key together.
/// - interleaved: cycle by cycle, within it experiments of one key together.
/// - shuffled: cycle by cycle, each in an order of its own, drawn by the seed.
/// - latin square: cycle by cycle along the rows of a Williams square over a seeded labelling, so
///   that every experiment visits every position, and follows every other, equally often over n
///   cycles (2n for odd n). E. J. Williams, Aust. J. Sci. Res. A 2 (1949) 149.
#[must_use]
pub fn order(keys: &[usize], cycles: u32, structure: Structure, seed: u64) -> Vec<Slot> {
    let mut by_key: Vec<usize> = (0..keys.len()).collect();
    by_key.sort_by_key(|&experiment| keys[experiment]);
    let cycle_of = |cycle: u32, row: Vec<usize>| {
        row.into_iter()
            .map(move |experiment| Slot { experiment, cycle })
    };
    match structure {
        Structure::Grouped => by_key
            .into_iter()
            .flat_map(|experiment| (1..=cycles).map(move |cycle| Slot { experiment, cycle }))
            .collect(),
        Structure::Interleaved => (1..=cycles)
            .flat_map(|cycle| cycle_of(cycle, by_key.clone()))
            .collect(),
        Structure::Shuffled => {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            (1..=cycles)
                .flat_map(|cycle| {
                    let mut row = by_key.clone();
                    row.shuffle(&mut random);
                    cycle_of(cycle, row)
                })
                .collect()
        }
        Structure::LatinSquare => {
            let mut labels = by_key;
            labels.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            (1..=cycles)
                .flat_map(|cycle| cycle_of(cycle, williams_row(&labels, cycle - 1)))
                .collect()
        }
    }
}

/// The order of a campaign that began with `begun` cycles and has `cycles` by now. It begins with the order of
/// `begun` cycles; each cycle that was added is one more pass over all experiments, in the order that its
/// structure gives it (with grouped: experiments of one key together).
#[must_use]
pub fn order_grown(
    keys: &[usize],
    (begun, cycles): (u32, u32),
    structure: Structure,
    seed: u64,
) -> Vec<Slot> {
    if structure != Structure::Grouped {
        return order(keys, cycles.max(begun), structure, seed);
    }
    let mut slots = order(keys, begun, structure, seed);
    let pass = order(keys, 1, structure, seed);
    slots.extend((begun + 1..=cycles).flat_map(|cycle| {
        let of = move |slot: &Slot| Slot { cycle, ..*slot };
        pass.iter().map(of)
    }));
    slots
}

/// Row `row` of a Williams square over `labels`: the zig-zag 0, 1, n−1, 2, n−2, … shifted by the row;
/// for odd n every second block of n rows runs backwards, which balances the neighbours.
fn williams_row(labels: &[usize], row: u32) -> Vec<usize> {
    let n = labels.len();
    let row = row as usize;
    let mut places: Vec<usize> = (0..n)
        .map(|i| {
            let zigzag = if i == 0 {
                0
            } else if i % 2 == 1 {
                i.div_ceil(2)
            } else {
                n - i / 2
            };
            labels[(zigzag + row) % n]
        })
        .collect();
    if n % 2 == 1 && (row / n.max(1)) % 2 == 1 {
        places.reverse();
    }
    places
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Structure; 4] = [
        Structure::Grouped,
        Structure::Interleaved,
        Structure::Shuffled,
        Structure::LatinSquare,
    ];

    fn plain(keys: &[usize], cycles: u32, structure: Structure) -> Vec<(usize, u32)> {
        order(keys, cycles, structure, 7)
            .iter()
            .map(|slot| (slot.experiment, slot.cycle))
            .collect()
    }

    #[test]
    fn grouped_keeps_cycles_and_keys_together() {
        assert_eq!(
            plain(&[0, 1, 0], 2, Structure::Grouped),
            [(0, 1), (0, 2), (2, 1), (2, 2), (1, 1), (1, 2)]
        );
    }

    #[test]
    fn interleaved_goes_cycle_by_cycle() {
        assert_eq!(
            plain(&[0, 1, 0], 2, Structure::Interleaved),
            [(0, 1), (2, 1), (1, 1), (0, 2), (2, 2), (1, 2)]
        );
    }

    #[test]
    fn shuffled_draws_every_cycle_anew_and_by_the_seed() {
        let keys = [0; 12];
        let rows = order(&keys, 2, Structure::Shuffled, 1);
        let (first, second) = rows.split_at(12);
        let experiments = |row: &[Slot]| row.iter().map(|slot| slot.experiment).collect::<Vec<_>>();
        assert_ne!(experiments(first), experiments(second));
        assert_ne!(rows, order(&keys, 2, Structure::Shuffled, 2));
        assert_eq!(rows, order(&keys, 2, Structure::Shuffled, 1));
    }

    #[test]
    fn a_latin_square_balances_positions_and_neighbours() {
        for (n, cycles) in [(4, 4), (6, 6), (5, 10), (3, 6)] {
            let rows = order(&vec![0; n], cycles, Structure::LatinSquare, 3);
            let mut positions: HashMap<(usize, usize), u32> = HashMap::new();
            let mut neighbours: HashMap<(usize, usize), u32> = HashMap::new();
            for row in rows.chunks(n) {
                for (place, slot) in row.iter().enumerate() {
                    *positions.entry((slot.experiment, place)).or_default() += 1;
                }
                for pair in row.windows(2) {
                    *neighbours
                        .entry((pair[0].experiment, pair[1].experiment))
                        .or_default() += 1;
                }
            }
            let per_position = cycles / u32::try_from(n).expect("small");
            assert_eq!(positions.len(), n * n);
            assert!(positions.values().all(|&count| count == per_position));
            assert_eq!(neighbours.len(), n * (n - 1));
            assert!(
                neighbours.values().all(|&count| count == per_position),
                "n = {n}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_run_comes_exactly_once(keys in prop::collection::vec(0usize..4, 0..20), cycles in 1u32..6, seed: u64) {
            for structure in ALL {
                let mut seen: Vec<_> = order(&keys, cycles, structure, seed)
                    .iter().map(|slot| (slot.experiment, slot.cycle)).collect();
                seen.sort_unstable();
                let want: Vec<_> = (0..keys.len()).flat_map(|e| (1..=cycles).map(move |c| (e, c))).collect();
                prop_assert_eq!(seen, want);
            }
        }

        /// Whatever was measured keeps its place when cycles are added, and an added cycle is whole.
        #[test]
        fn an_order_grows_at_its_end(keys in prop::collection::vec(0usize..4, 0..12), begun in 1u32..5, more in 0u32..5, seed: u64) {
            for structure in ALL {
                let before = order_grown(&keys, (begun, begun + more), structure, seed);
                let after = order_grown(&keys, (begun, begun + more + 1), structure, seed);
                prop_assert_eq!(&order_grown(&keys, (begun, begun), structure, seed), &order(&keys, begun, structure, seed));
                prop_assert_eq!(&after[..before.len()], &before[..]);
                let mut added: Vec<_> = after[before.len()..].iter().map(|slot| (slot.experiment, slot.cycle)).collect();
                added.sort_unstable();
                let want: Vec<_> = (0..keys.len()).map(|experiment| (experiment, begun + more + 1)).collect();
                prop_assert_eq!(added, want);
            }
        }
    }
}
