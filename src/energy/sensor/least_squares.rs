//! Linear least squares in a few columns, and covariances that hold where residuals differ in size.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// 97.5th percentile of Student's t with `freedom` degrees; that of 1 degree below 1.
#[must_use]
pub(super) fn t95(freedom: f64) -> f64 {
    // Location, scale and freedom are valid by construction.
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(12.706, |t| t.inverse_cdf(0.975))
}

/// A square matrix.
pub(super) type Matrix<const N: usize> = [[f64; N]; N];

/// Its inverse by Gauss and Jordan with pivots; none if it is singular to working precision.
pub(super) fn inverse<const N: usize>(matrix: &Matrix<N>) -> Option<Matrix<N>> {
    let mut left = *matrix;
    let mut right = [[0.0; N]; N];
    for (index, row) in right.iter_mut().enumerate() {
        row[index] = 1.0;
    }
    let scale: f64 = matrix
        .iter()
        .flatten()
        .fold(0.0, |max: f64, x| max.max(x.abs()));
    for column in 0..N {
        let pivot =
            (column..N).max_by(|a, b| left[*a][column].abs().total_cmp(&left[*b][column].abs()))?;
        if left[pivot][column].is_nan() || left[pivot][column].abs() <= scale * 1e-14 {
            return None;
        }
        left.swap(column, pivot);
        right.swap(column, pivot);
        let by = left[column][column];
        for index in 0..N {
            left[column][index] /= by;
            right[column][index] /= by;
        }
        for row in 0..N {
            let factor = left[row][column];
            if row != column && factor != 0.0 {
                for index in 0..N {
                    left[row][index] -= factor * left[column][index];
                    right[row][index] -= factor * right[column][index];
                }
            }
        }
    }
    Some(right)
}

/// Coefficients that bring Σ columns × coefficients nearest to `values`, and the sum of squares that is left.
pub(super) fn solve<const N: usize>(rows: &[[f64; N]], values: &[f64]) -> Option<([f64; N], f64)> {
    let (mut normal, mut right) = ([[0.0; N]; N], [0.0; N]);
    for (row, value) in rows.iter().zip(values) {
        for a in 0..N {
            right[a] += row[a] * value;
            for b in 0..N {
                normal[a][b] += row[a] * row[b];
            }
        }
    }
    let inverse = inverse(&normal)?;
    let mut coefficients = [0.0; N];
    for a in 0..N {
        coefficients[a] = (0..N).map(|b| inverse[a][b] * right[b]).sum();
    }
    let left = rows.iter().zip(values).map(|(row, value)| {
        let fitted: f64 = row.iter().zip(&coefficients).map(|(x, c)| x * c).sum();
        (value - fitted).powi(2)
    });
    Some((coefficients, left.sum()))
}

/// Covariance of least squares' parameters from the derivatives of the fitted values by each and the residuals,
/// each residual standing for its own variance (White 1980; MacKinnon and White 1985, HC3).
pub(super) fn robust_covariance<const N: usize>(
    derivatives: &[[f64; N]],
    residuals: &[f64],
) -> Option<Matrix<N>> {
    let mut normal = [[0.0; N]; N];
    for row in derivatives {
        for a in 0..N {
            for b in 0..N {
                normal[a][b] += row[a] * row[b];
            }
        }
    }
    let inverse = inverse(&normal)?;
    let mut middle = [[0.0; N]; N];
    for (row, residual) in derivatives.iter().zip(residuals) {
        let mut leverage = 0.0;
        for a in 0..N {
            for b in 0..N {
                leverage += row[a] * inverse[a][b] * row[b];
            }
        }
        let weight = (residual / (1.0 - leverage).max(0.1)).powi(2);
        for a in 0..N {
            for b in 0..N {
                middle[a][b] += weight * row[a] * row[b];
            }
        }
    }
    let mut covariance = [[0.0; N]; N];
    for a in 0..N {
        for b in 0..N {
            for c in 0..N {
                for d in 0..N {
                    covariance[a][b] += inverse[a][c] * middle[c][d] * inverse[d][b];
                }
            }
        }
    }
    Some(covariance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found_exactly() {
        let rows: Vec<[f64; 3]> = (0..20)
            .map(|i| [1.0, f64::from(i), f64::from(i * i % 7)])
            .collect();
        let values: Vec<f64> = rows.iter().map(|r| 3.0 - 2.0 * r[1] + 0.5 * r[2]).collect();
        let (found, left) = solve(&rows, &values).expect("regular");
        for (a, b) in found.iter().zip([3.0, -2.0, 0.5]) {
            assert!((a - b).abs() < 1e-9, "{found:?}");
        }
        assert!(left < 1e-15);
        assert!(solve(&[[1.0, 2.0], [2.0, 4.0]], &[1.0, 2.0]).is_none());
        assert!(inverse(&[[f64::NAN]]).is_none());
    }

    #[test]
    fn the_robust_variance_of_a_mean_is_known() {
        // One column of ones: inverse 1/n, leverage 1/n, so HC3 is Σ r² / (n − 1)².
        let residuals = [1.0, -2.0, 0.5, 0.5];
        let covariance = robust_covariance(&[[1.0]; 4], &residuals).expect("regular");
        assert!((covariance[0][0] - 5.5 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn quantiles_are_those_of_tables() {
        for (freedom, t) in [(1.0, 12.706), (4.0, 2.776), (30.0, 2.042), (1e6, 1.960)] {
            assert!((t95(freedom) - t).abs() < 1e-3, "{freedom}");
        }
    }
}
