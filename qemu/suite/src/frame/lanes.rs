// SPDX-License-Identifier: MIT
//! Which tests run at the same time. A machine serves one test after the other, and those of a bed stand together:
//! two processors that take the next test of such a list wait for the same machine. So beds are dealt to lanes, and
//! tests are listed a lane in turn.

use std::collections::BTreeMap;

/// Puts tests into the order of `lanes` lanes, each with whole beds and about as many tests as the others. Tests of
/// a bed keep their order; `bed` is a test's, or something of its own.
pub fn deal<T, B: Ord>(tests: Vec<T>, bed: impl Fn(&T) -> B, lanes: usize) -> Vec<T> {
    let mut beds: BTreeMap<B, Vec<T>> = BTreeMap::new();
    for test in tests {
        beds.entry(bed(&test)).or_default().push(test);
    }
    let mut beds: Vec<_> = beds.into_values().collect();
    beds.sort_by_key(|bed| std::cmp::Reverse(bed.len()));
    let mut dealt: Vec<Vec<T>> = Vec::new();
    dealt.resize_with(lanes.max(1), Vec::new);
    for bed in beds {
        if let Some(shortest) = dealt.iter_mut().min_by_key(|lane| lane.len()) {
            shortest.extend(bed);
        }
    }
    let mut lanes: Vec<_> = dealt.into_iter().map(Vec::into_iter).collect();
    let mut order = Vec::new();
    loop {
        let before = order.len();
        order.extend(lanes.iter_mut().filter_map(Iterator::next));
        if order.len() == before {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: [&str; 6] = ["low::a", "low::b", "low::c", "cut::d", "high::e", "high::f"];

    #[test]
    fn neighbours_are_of_different_beds_where_that_can_be() {
        let order = deal(
            TESTS.to_vec(),
            |name| name.split_once("::").map(|parts| parts.0),
            2,
        );
        let expected = ["low::a", "high::e", "low::b", "high::f", "low::c", "cut::d"];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_single_lane_has_all_tests() {
        let mut order = deal(TESTS.to_vec(), |name| *name, 1);
        order.sort_unstable();
        let mut expected = TESTS;
        expected.sort_unstable();
        assert_eq!(order, expected);
    }
}
