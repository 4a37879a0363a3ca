//! The integral of a waveform over a window. Knows points, not sensors.

use super::waveform::Point;

/// What integration found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Integral {
    /// Integral over the parts of the window that points cover, in joules.
    pub joules: f64,
    /// Share of the window that they cover, 0 to 1.
    pub covered: f64,
    /// Highest power inside, in watts: points and both interpolated ends.
    pub max_watts: f64,
    /// Lowest power inside, in watts.
    pub min_watts: f64,
}

impl Integral {
    /// The joules, if they are those of the whole window.
    #[must_use]
    pub fn whole(&self) -> Option<f64> {
        (self.covered > 1.0 - 1e-9).then_some(self.joules)
    }
}

/// Trapezoid over the points within [start, end], in s, with both ends interpolated. Two points farther apart
/// than `longest` are a gap: what lies between them is not known and no line. None for an empty window or if no
/// part of it is covered.
///
/// Exact for power that is linear between the points.
#[must_use]
pub fn integrate(points: &[Point], start: f64, end: f64, longest: f64) -> Option<Integral> {
    if end <= start || start.is_nan() || end.is_nan() {
        return None;
    }
    let (mut joules, mut covered) = (0.0, 0.0);
    let (mut max_watts, mut min_watts) = (f64::NEG_INFINITY, f64::INFINITY);
    let first = points
        .partition_point(|point| point.at <= start)
        .saturating_sub(1);
    for pair in points[first..].windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if a.at >= end {
            break;
        }
        let time = b.at - a.at;
        let (low, high) = (a.at.max(start), b.at.min(end));
        if time > longest || time <= 0.0 || high <= low {
            continue;
        }
        let power = |at: f64| a.watts + (b.watts - a.watts) * ((at - a.at) / time);
        let (left, right) = (power(low), power(high));
        joules += 0.5 * (left + right) * (high - low);
        covered += high - low;
        max_watts = max_watts.max(left).max(right);
        min_watts = min_watts.min(left).min(right);
    }
    (covered > 0.0).then(|| Integral {
        joules,
        covered: (covered / (end - start)).min(1.0),
        max_watts,
        min_watts,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Knots of a piecewise linear signal, ascending.
    fn knots() -> impl Strategy<Value = Vec<Point>> {
        prop::collection::vec((0.001..0.3f64, 0.0..900.0f64), 2..60).prop_map(|steps| {
            let mut at = -1.0;
            steps
                .into_iter()
                .map(|(step, watts)| {
                    at += step;
                    Point { at, watts }
                })
                .collect()
        })
    }

    /// Closed form: the antiderivative of the signal, piece by piece.
    fn antiderivative(points: &[Point], at: f64) -> f64 {
        let mut sum = 0.0;
        for pair in points.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let x = at.clamp(a.at, b.at) - a.at;
            let slope = (b.watts - a.watts) / (b.at - a.at);
            sum += a.watts * x + 0.5 * slope * x * x;
        }
        sum
    }

    proptest! {
        #[test]
        fn piecewise_linear_power_integrates_to_its_closed_form(points in knots(), from in 0.0..0.4f64, to in 0.6..1.0f64) {
            let (first, last) = (points[0].at, points[points.len() - 1].at);
            let (start, end) = (first + from * (last - first), first + to * (last - first));
            let found = integrate(&points, start, end, 1.0).expect("covered");
            let exact = antiderivative(&points, end) - antiderivative(&points, start);
            prop_assert!((found.joules - exact).abs() <= 1e-9 * exact.abs().max(1e-9), "{} {exact}", found.joules);
            prop_assert!(found.whole().is_some());
            prop_assert!(found.min_watts <= exact / (end - start) * (1.0 + 1e-9));
            prop_assert!(found.max_watts >= exact / (end - start) * (1.0 - 1e-9));
        }

        #[test]
        fn constant_power_is_power_by_time(watts in 0.0..900.0f64, start in 0.0..1.0f64, length in 0.01..5.0f64) {
            let points: Vec<Point> = (0..90).map(|k| Point { at: f64::from(k) * 0.1 - 1.0, watts }).collect();
            let found = integrate(&points, start, start + length, 0.3).expect("covered");
            prop_assert!((found.joules - watts * length).abs() <= 1e-9 * (watts * length).max(1e-9));
        }

        #[test]
        fn parts_add_up(points in knots(), cut in 0.1..0.9f64) {
            let (first, last) = (points[0].at, points[points.len() - 1].at);
            let middle = first + cut * (last - first);
            let whole = integrate(&points, first, last, 1.0).expect("covered").joules;
            let parts = integrate(&points, first, middle, 1.0).expect("covered").joules
                + integrate(&points, middle, last, 1.0).expect("covered").joules;
            prop_assert!((whole - parts).abs() <= 1e-9 * whole.abs().max(1e-9));
        }
    }

    #[test]
    fn a_gap_is_no_line() {
        let at = |at: f64| Point { at, watts: 100.0 };
        let points = [at(0.0), at(0.1), at(0.2), at(0.9), at(1.0)];
        let found = integrate(&points, 0.0, 1.0, 0.3).expect("partly covered");
        assert!((found.joules - 30.0).abs() < 1e-9 && (found.covered - 0.3).abs() < 1e-9);
        assert_eq!(found.whole(), None);
        assert_eq!(integrate(&points, 0.3, 0.8, 0.3), None);
    }

    #[test]
    fn nothing_has_no_integral() {
        assert_eq!(integrate(&[], 0.0, 1.0, 1.0), None);
        assert_eq!(integrate(&[], f64::NAN, 1.0, 1.0), None);
        let points = [
            Point {
                at: 0.0,
                watts: 1.0,
            },
            Point {
                at: 1.0,
                watts: 1.0,
            },
        ];
        assert_eq!(integrate(&points, 0.5, 0.5, 1.0), None);
        assert_eq!(integrate(&points, 2.0, 3.0, 1.0), None);
        // Outside on one side: only a part is covered.
        assert_eq!(
            integrate(&points, 0.5, 1.5, 1.0).map(|i| i.covered),
            Some(0.5)
        );
    }
}
