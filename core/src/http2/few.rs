//! A queue that seldom holds more than one: without memory of its own until it does.

use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub(super) struct Few<T> {
    /// None: there is none.
    first: Option<T>,
    rest: VecDeque<T>,
}

impl<T> Few<T> {
    pub(super) const fn new() -> Few<T> {
        Few {
            first: None,
            rest: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push(&mut self, item: T) {
        match &self.first {
            None => self.first = Some(item),
            Some(_) => self.rest.push_back(item),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let first = self.first.take();
        if !self.rest.is_empty() {
            self.first = self.rest.pop_front();
        }
        first
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut T> {
        self.rest.back_mut().or(self.first.as_mut())
    }

    pub(super) fn clear(&mut self) {
        self.first = None;
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue() {
        let mut few = Few::new();
        assert!(few.is_empty() && few.pop().is_none() && few.last_mut().is_none());
        for n in 0..3 {
            few.push(n);
            assert_eq!(few.last_mut().copied(), Some(n));
        }
        assert_eq!((few.len(), few.pop(), few.pop()), (3, Some(0), Some(1)));
        few.push(3);
        assert_eq!((few.pop(), few.pop(), few.pop()), (Some(2), Some(3), None));
        few.push(4);
        few.push(5);
        few.clear();
        assert!(few.is_empty());
    }
}
