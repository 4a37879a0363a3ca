//! Outputs that go round in circles: the commonest way in which a broken engine still makes tokens.

/// Longest piece whose repetition is looked for, in tokens.
const LONGEST_PERIOD: usize = 16;
/// How often a piece must stand in a row to count as repeated.
const TIMES: usize = 4;
/// Share of an output in one repetition above which the output is degenerate.
const SHARE: f64 = 0.5;
/// Shorter outputs say nothing.
pub(super) const SHORTEST: usize = 16;

/// Share of the tokens that lie in the longest stretch made of one piece of at most 16 tokens, four times or more.
fn share(ids: &[u32]) -> f64 {
    let mut longest = 0;
    for period in 1..=LONGEST_PERIOD.min(ids.len() / TIMES) {
        let mut matched = 0;
        for (now, before) in ids[period..].iter().zip(ids) {
            matched = if now == before { matched + 1 } else { 0 };
            let stretch = matched + period;
            if stretch >= period * TIMES {
                longest = longest.max(stretch);
            }
        }
    }
    longest as f64 / ids.len().max(1) as f64
}

/// Whether more than half of an output is one piece again and again; none for one that is too short to tell.
pub(super) fn degenerate(ids: &[u32]) -> Option<bool> {
    (ids.len() >= SHORTEST).then(|| share(ids) > SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_of_any_short_period_are_found_and_text_is_none() {
        for period in [1, 2, 3, 7, 16] {
            let circle: Vec<u32> = (0..96).map(|at| at % period).collect();
            assert_eq!(degenerate(&circle), Some(true), "{period}");
            // Half of it in order.
            let late: Vec<u32> = (0..96)
                .map(|at| if at < 64 { 1000 + at } else { at % period })
                .collect();
            assert_eq!(degenerate(&late), Some(false), "{period}");
        }
        let text: Vec<u32> = (0..96_u32).map(|at| at * at % 101).collect();
        assert_eq!(degenerate(&text), Some(false));
    }

    #[test]
    fn a_piece_that_comes_back_now_and_then_is_no_circle() {
        // "the X of the Y of the Z of …": every third token is the same, the whole is not.
        let prose: Vec<u32> = (0..60)
            .map(|at| if at % 3 == 0 { 1 } else { 10 + at })
            .collect();
        assert_eq!(degenerate(&prose), Some(false));
        let thrice: Vec<u32> = [1, 2, 3, 4, 5, 6, 7, 8].repeat(3);
        assert_eq!(degenerate(&thrice), Some(false), "three times");
    }

    #[test]
    fn short_outputs_say_nothing() {
        assert_eq!(degenerate(&[7; 15]), None);
        assert_eq!(degenerate(&[7; 16]), Some(true));
        assert_eq!(degenerate(&[]), None);
    }
}
