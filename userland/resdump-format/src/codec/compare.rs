// SPDX-License-Identifier: MIT

//! Where two pieces of memory differ.

/// Bytes compared at once, where all are the same.
const STEP: usize = 4096;

/// Gives each run in which two pieces of the same length differ to `take`, its first byte and its
/// length, until that wants no more; whether it wants more.
pub fn runs<E>(
    one: &[u8],
    other: &[u8],
    take: &mut dyn FnMut(u64, u64) -> Result<bool, E>,
) -> Result<bool, E> {
    let mut begun = None;
    for (index, (one, other)) in one.chunks(STEP).zip(other.chunks(STEP)).enumerate() {
        if one == other && begun.is_none() {
            continue;
        }
        for (at, (one, other)) in one.iter().zip(other).enumerate() {
            let at = (index * STEP + at) as u64;
            match (one == other, begun) {
                (false, None) => begun = Some(at),
                (true, Some(start)) => {
                    begun = None;
                    if !take(start, at - start)? {
                        return Ok(false);
                    }
                }
                _ => {}
            }
        }
    }
    match begun {
        Some(start) => take(start, one.len() as u64 - start),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(one: &[u8], other: &[u8]) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let took = runs::<()>(one, other, &mut |at, length| {
            found.push((at, length));
            Ok(true)
        });
        assert_eq!(took, Ok(true));
        found
    }

    #[test]
    fn each_run_is_found_at_and_across_the_edges_of_steps() {
        let one = vec![0; 3 * STEP + 7];
        assert_eq!(found(&one, &one), []);
        let step = STEP as u64;
        for runs in [
            vec![(0, 1)],
            vec![(3 * step + 6, 1)],
            vec![(step - 1, 2)],
            vec![(step - 1, 1), (step + 1, 1)],
            vec![(step, step)],
            vec![(5, 2 * step)],
            vec![(0, 3 * step + 7)],
            vec![(1, 1), (3, 1), (2 * step, 1)],
        ] {
            let mut other = one.clone();
            for (at, length) in &runs {
                other[*at as usize..][..*length as usize].fill(1);
            }
            assert_eq!(found(&one, &other), runs);
        }
    }

    #[test]
    fn it_ends_when_enough_was_found() {
        let mut seen = 0;
        let took = runs::<()>(&[0; 8], &[1, 0, 1, 0, 1, 0, 1, 0], &mut |_, _| {
            seen += 1;
            Ok(seen < 2)
        });
        assert_eq!((took, seen), (Ok(false), 2));
    }
}
