//! Windows whose source region was asked for: planning asks for the same ones again and again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

type Box = [Range<usize>; 2];

/// Windows that are remembered at a time.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<HashMap<Box, Box>>);

impl Asked {
    /// What `find` gives for a window; it is a function of the window alone.
    pub(super) fn get(&self, window: Box, find: impl FnOnce(&Box) -> Box) -> Box {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&window) {
            return known.clone();
        }
        let found = find(&window);
        let mut known = lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(window, found.clone());
        found
    }
}
