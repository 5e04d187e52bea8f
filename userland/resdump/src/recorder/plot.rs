// SPDX-License-Identifier: MIT

//! A recording as a picture: what the device wrote in a second, how much of the ring was in use, and what was lost, over
//! the time of a run, from the checkpoints of its index.

use std::{
    fmt::Write,
    fs::File,
    io::{self, BufReader},
};

use resdump_format::recording::{
    index::{Reader, Record, State},
    layout::index_name,
};

use super::Saved;
use crate::size;

const WIDTH: f64 = 800.0;
/// Height of a curve, and what is left free around it.
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 110.0;
const TOP: f64 = 40.0;
const GAP: f64 = 50.0;

/// A checkpoint: seconds since the run began, and what was so then.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    seconds: f64,
    state: State,
}

/// A curve of a run.
struct Curve {
    title: &'static str,
    unit: &'static str,
    points: Vec<(f64, f64)>,
}

/// Draws each run of a recording below the one before, as SVG.
pub fn plot(saved: &Saved) -> io::Result<String> {
    let mut body = String::new();
    let mut top = TOP;
    for (number, _) in &saved.runs {
        let file = File::open(saved.folder.join(index_name(*number)))?;
        let points = points(BufReader::new(file))?;
        text(
            &mut body,
            LEFT,
            top - 20.0,
            "start",
            &format!("run {number:06}"),
        );
        for curve in curves(&points) {
            draw(&mut body, top, &curve);
            top += HEIGHT + GAP;
        }
        top += GAP;
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{top}\" \
         viewBox=\"0 0 {0} {top}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n",
        LEFT + WIDTH + 30.0
    ))
}

/// The checkpoints of an index, and its end.
fn points(index: impl io::Read) -> io::Result<Vec<Point>> {
    let mut points = Vec::new();
    let mut begun = None;
    for entry in &mut Reader::new(index) {
        let entry = entry?;
        let begun = *begun.get_or_insert(entry.time);
        if let Record::Checkpoint(state) | Record::End(state) = entry.record {
            let seconds = entry.time.saturating_sub(begun) as f64 / 1e9;
            points.push(Point { seconds, state });
        }
    }
    Ok(points)
}

fn curves(points: &[Point]) -> [Curve; 3] {
    let rate = points.windows(2).filter_map(|pair| {
        let seconds = pair[1].seconds - pair[0].seconds;
        let bytes = pair[1]
            .state
            .produced
            .saturating_sub(pair[0].state.produced);
        (seconds > 0.0).then(|| (pair[1].seconds, bytes as f64 / seconds))
    });
    let each = |value: fn(&State) -> u64| {
        points
            .iter()
            .map(|point| (point.seconds, value(&point.state) as f64))
            .collect()
    };
    [
        Curve {
            title: "rate of the device between checkpoints",
            unit: "/s",
            points: rate.collect(),
        },
        Curve {
            title: "most of the ring in use so far",
            unit: "",
            points: each(|state| state.occupied),
        },
        Curve {
            title: "lost and suspect so far",
            unit: "",
            points: each(|state| state.gap.saturating_add(state.suspect)),
        },
    ]
}

fn draw(body: &mut String, top: f64, curve: &Curve) {
    let most = curve
        .points
        .iter()
        .fold(0.0, |most, point| point.1.max(most));
    let end = curve.points.last().map_or(0.0, |point| point.0);
    let bottom = top + HEIGHT;
    rect(body, top);
    text(body, LEFT, top - 5.0, "start", curve.title);
    let value = format!("{}{}", size::display(most as u64), curve.unit);
    text(body, LEFT - 6.0, top + 10.0, "end", &value);
    text(body, LEFT - 6.0, bottom, "end", "0");
    text(
        body,
        LEFT + WIDTH,
        bottom + 15.0,
        "end",
        &format!("{end:.0} s"),
    );
    let scale = |(x, y): &(f64, f64)| {
        let x = LEFT + WIDTH * x / end.max(f64::MIN_POSITIVE);
        let y = bottom - HEIGHT * y / most.max(f64::MIN_POSITIVE);
        format!("{x:.1},{y:.1}")
    };
    let line: Vec<String> = curve.points.iter().map(scale).collect();
    // Writing to a string does not fail.
    let _ = writeln!(
        body,
        "<polyline fill=\"none\" stroke=\"#1f4e79\" stroke-width=\"1.5\" points=\"{}\"/>",
        line.join(" ")
    );
}

fn rect(body: &mut String, top: f64) {
    let _ = writeln!(
        body,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999\"/>"
    );
}

/// `words` has nothing in it that XML takes for its own.
fn text(body: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(
        body,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use resdump_format::recording::index::{Origin, Writer};

    use super::*;

    fn index() -> Vec<u8> {
        let mut index = Writer::new(1, 4096);
        index.push(1_000_000_000, Record::Origin(Origin::default()));
        for (seconds, produced, gap) in [(1, 0, 0), (2, 1_000_000, 0), (3, 4_000_000, 500)] {
            let state = State {
                produced,
                gap,
                occupied: 1 << 20,
                ..State::default()
            };
            index.push(seconds * 1_000_000_000, Record::Checkpoint(state));
        }
        index.take(3_000_000_000).1
    }

    #[test]
    fn each_checkpoint_is_a_point() {
        let points = points(&index()[..]).unwrap();
        let [rate, ring, lost] = curves(&points);
        assert_eq!(rate.points, [(1.0, 1e6), (2.0, 3e6)]);
        assert_eq!(ring.points, [0.0, 1.0, 2.0].map(|at| (at, 1_048_576.0)));
        assert_eq!(lost.points.last(), Some(&(2.0, 500.0)));
    }

    #[test]
    fn a_picture_has_each_run_and_is_well_formed() {
        let folder = tempfile::tempdir().unwrap();
        for number in [0, 4] {
            std::fs::write(folder.path().join(index_name(number)), index()).unwrap();
        }
        let svg = plot(&Saved::open(folder.path()).unwrap()).unwrap();
        assert!(
            svg.contains("run 000000") && svg.contains("run 000004"),
            "{svg}"
        );
        assert_eq!(svg.matches("<polyline").count(), 6);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
        // A run without a checkpoint has empty curves.
        std::fs::write(folder.path().join(index_name(5)), b"").unwrap();
        let svg = plot(&Saved::open(folder.path()).unwrap()).unwrap();
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
