//! One small language of conditions, for a catalogue's rules and a campaign's `exclude` alike.
//!
//! A map holds when each of its keys does: `{dtype: bfloat16, batch_size: {ge: 16}}`. A value stands for
//! `eq`, a list for `in`; `{param: name, times: 2}` compares with another parameter, `{product: [a, b]}` with
//! several multiplied. `all`, `any` and `not` combine. A comparison with nothing (`null`) never holds, except `eq` and `ne`.

mod read;

use std::cmp::Ordering;

use serde_json::Value;

use read::Reader;

/// A condition over named values.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// All hold; true when empty.
    All(Vec<Predicate>),
    /// One holds at least.
    Any(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
    /// A named value compared with an operand.
    Compare {
        /// The name on the left.
        name: String,
        /// How.
        comparison: Comparison,
        /// The right side.
        operand: Operand,
    },
    /// A named value is among some values.
    In {
        /// The name.
        name: String,
        /// The values.
        values: Vec<Value>,
    },
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// A whole multiple of the operand.
    DivisibleBy,
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A value.
    Value(Value),
    /// Another named value, times a factor.
    Name {
        /// The name.
        name: String,
        /// The factor.
        times: i64,
    },
    /// Named whole numbers, multiplied; nothing if one of them is no whole number.
    Product(Vec<String>),
}

/// What is wrong with a condition, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Keys and indices from the condition's root.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What would mend it.
    pub hint: Option<String>,
}

/// Names that mean something in a condition, so that no parameter may have them.
pub(super) const RESERVED: [&str; 3] = ["all", "any", "not"];

impl Predicate {
    /// Reads a condition.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, Vec<Flaw>> {
        let (predicate, flaws) = Self::read(value);
        if flaws.is_empty() {
            Ok(predicate)
        } else {
            Err(flaws)
        }
    }

    /// Reads as much of a condition as can be read, and everything that is wrong with it.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<Flaw>) {
        Reader::read(value)
    }

    /// Whether it holds for the values that `lookup` gives for names.
    pub fn holds<'a>(&self, lookup: &impl Fn(&str) -> &'a Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(lookup)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(lookup)),
            Self::Not(part) => !part.holds(lookup),
            Self::In { name, values } => {
                let left = lookup(name);
                values.iter().any(|value| equal(left, value))
            }
            Self::Compare {
                name,
                comparison,
                operand,
            } => {
                let left = lookup(name);
                match operand {
                    Operand::Value(right) => comparison.holds(left, right),
                    Operand::Name { name, times: 1 } => comparison.holds(left, lookup(name)),
                    Operand::Name { name, times } => {
                        let right = lookup(name)
                            .as_i64()
                            .and_then(|right| right.checked_mul(*times));
                        right.is_some_and(|right| comparison.holds(left, &Value::from(right)))
                    }
                    Operand::Product(names) => {
                        let right = names.iter().try_fold(1_i64, |right, name| {
                            right.checked_mul(lookup(name).as_i64()?)
                        });
                        right.is_some_and(|right| comparison.holds(left, &Value::from(right)))
                    }
                }
            }
        }
    }

    /// Calls `see` for every name it reads, with the values it compares the name with.
    pub fn visit<'a>(&'a self, see: &mut impl FnMut(&'a str, &'a [Value])) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(see)),
            Self::Not(part) => part.visit(see),
            Self::In { name, values } => see(name, values),
            Self::Compare {
                name,
                operand: Operand::Value(value),
                ..
            } => see(name, std::slice::from_ref(value)),
            Self::Compare {
                name,
                operand: Operand::Name { name: other, .. },
                ..
            } => {
                see(name, &[]);
                see(other, &[]);
            }
            Self::Compare {
                name,
                operand: Operand::Product(factors),
                ..
            } => {
                see(name, &[]);
                factors.iter().for_each(|factor| see(factor, &[]));
            }
        }
    }

    /// The names it reads, sorted, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.visit(&mut |name, _| names.push(name));
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Self::Eq => equal(left, right),
            Self::Ne => !equal(left, right),
            Self::Lt => compare(left, right).is_some_and(Ordering::is_lt),
            Self::Le => compare(left, right).is_some_and(Ordering::is_le),
            Self::Gt => compare(left, right).is_some_and(Ordering::is_gt),
            Self::Ge => compare(left, right).is_some_and(Ordering::is_ge),
            Self::DivisibleBy => match (left.as_i64(), right.as_i64()) {
                (Some(left), Some(right)) => right != 0 && left % right == 0,
                _ => false,
            },
        }
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match compare(left, right) {
        Some(ordering) => ordering.is_eq(),
        None => left == right,
    }
}

/// The order of two numbers, or the equality of two texts or booleans; nothing for anything else.
#[must_use]
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => (left == right).then_some(Ordering::Equal),
        (Value::Bool(left), Value::Bool(right)) => (left == right).then_some(Ordering::Equal),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
