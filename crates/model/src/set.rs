//! A small set of numbers below eight.

use std::fmt;

/// A set of numbers below eight.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Set(u8);

impl Set {
    /// The set with `number`, beside what this one has.
    #[must_use]
    pub fn with(self, number: usize) -> Self {
        Self(self.0 | 1 << number)
    }

    /// The set without `number`.
    #[must_use]
    pub fn without(self, number: usize) -> Self {
        Self(self.0 & !(1 << number))
    }

    /// Whether the set has `number`.
    pub fn has(self, number: usize) -> bool {
        self.0 & 1 << number != 0
    }

    /// Whether the set has no number.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds `number`.
    pub fn add(&mut self, number: usize) {
        *self = self.with(number);
    }

    /// Removes `number`.
    pub fn remove(&mut self, number: usize) {
        *self = self.without(number);
    }

    /// The numbers in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..8).filter(move |number| self.has(*number))
    }
}

impl FromIterator<usize> for Set {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        numbers.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
