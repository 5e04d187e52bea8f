// SPDX-License-Identifier: MIT

//! How far a transfer is, on standard error: a bar on a terminal, a line now and then elsewhere.
//!
//! A terminal may be a serial line of 115200 baud, 11520 bytes a second: a drawing is at most
//! [`DRAWING_MAX`] bytes, once a second, less than 2 % of it. Nothing is drawn in the first second.

#![forbid(unsafe_code)]

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use terminal_size::{Width, terminal_size_of};

use crate::console;

/// Most bytes of a drawing, what clears the one before included.
pub const DRAWING_MAX: usize = 200;

/// Between two drawings of the bar.
const BAR_PERIOD: Duration = Duration::from_secs(1);

/// Between two lines.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Columns of a terminal that does not tell, as serial lines do not.
const COLUMNS: u16 = 80;

/// What is drawn on a line, and the columns that it needs at most.
const TEMPLATES: [(u16, &str); 3] = [
    (
        76,
        "{percent:>3}% [{bar:20}] {decimal_bytes} of {decimal_total_bytes}, \
         {decimal_bytes_per_sec}, {eta} left",
    ),
    (
        39,
        "{percent:>3}% {decimal_bytes} of {decimal_total_bytes}, {eta} left",
    ),
    (0, "{percent:>3}% {eta} left"),
];

/// Shows how far a transfer is.
pub struct Progress {
    display: Display,
    total: u64,
    started: Instant,
    due: Instant,
}

enum Display {
    None,
    Bar(ProgressBar),
    Lines,
}

impl Progress {
    /// Of a transfer of `total` bytes, on standard error; nothing unless `wanted`.
    pub fn new(total: u64, wanted: bool) -> Self {
        let display = match (wanted, io::stderr().is_terminal()) {
            (false, _) => Display::None,
            (true, true) => Display::Bar(bar(total, Line::new(io::stderr(), width))),
            (true, false) => Display::Lines,
        };
        let started = Instant::now();
        let mut progress = Self {
            display,
            total,
            started,
            due: started,
        };
        progress.due += progress.period();
        progress
    }

    fn period(&self) -> Duration {
        match self.display {
            Display::Lines => LINE_PERIOD,
            Display::Bar(_) | Display::None => BAR_PERIOD,
        }
    }

    /// `bytes` of it are done.
    pub fn at(&mut self, bytes: u64) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.due = now + self.period();
        match &self.display {
            Display::None => {}
            Display::Bar(bar) => {
                // Its window may have another size by now.
                bar.set_style(style(width()));
                bar.set_position(bytes);
            }
            Display::Lines => {
                let line = line(bytes, self.total, now - self.started);
                console::say(line);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: u64, terminal: impl TermLike + 'static) -> ProgressBar {
    let style = style(terminal.width());
    let target = ProgressDrawTarget::term_like(Box::new(terminal));
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}

/// For a line of `width` columns.
fn style(width: u16) -> ProgressStyle {
    let fits = |(needed, _): &&(u16, &str)| *needed <= width;
    let template = TEMPLATES.iter().find(fits).map_or("", |(_, text)| text);
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Columns of the terminal that may be used: a character in the last one makes some of them wrap.
fn width() -> u16 {
    let columns = terminal_size_of(io::stderr()).map_or(COLUMNS, |(Width(columns), _)| columns);
    columns.saturating_sub(1).max(1)
}

/// `25 %, 1073741824 of 4294967296 bytes, 21.5 MB/s, 150 s left`.
fn line(bytes: u64, total: u64, elapsed: Duration) -> String {
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let left = match bytes {
        0 => "unknown time".into(),
        _ => format!("{:.0} s", total.saturating_sub(bytes) as f64 / rate),
    };
    format!(
        "{:.0} %, {bytes} of {total} bytes, {:.1} MB/s, {left} left",
        bytes as f64 * 100.0 / total.max(1) as f64,
        rate / 1e6
    )
}

/// One line of a terminal: what does not fit is cut off.
struct Line<W> {
    terminal: W,
    width: fn() -> u16,
}

impl<W> Line<W> {
    fn new(terminal: W, width: fn() -> u16) -> Self {
        Self { terminal, width }
    }
}

impl<W> fmt::Debug for Line<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl<W: Send + Sync> TermLike for Line<W>
where
    for<'a> &'a W: Write,
{
    fn width(&self) -> u16 {
        (self.width)()
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let columns = usize::from(self.width());
        let shown: String = text.trim_end().chars().take(columns).collect();
        (&self.terminal).write_all(shown.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        (&self.terminal).write_all(b"\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        (&self.terminal).flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    /// What drawings of a bar send to a terminal of 80 columns.
    fn drawn(total: u64, positions: &[u64]) -> Vec<String> {
        drawn_on(|| 79, total, positions)
    }

    fn drawn_on(width: fn() -> u16, total: u64, positions: &[u64]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal");
        let bar = bar(total, Line::new(File::create(&path).unwrap(), width));
        let mut seen = 0;
        positions
            .iter()
            .map(|&position| {
                bar.set_position(position);
                let all = fs::read_to_string(&path).unwrap();
                let drawing = all[seen..].to_string();
                seen = all.len();
                drawing
            })
            .collect()
    }

    #[test]
    fn a_drawing_is_small_enough_for_a_serial_line() {
        const EIB: u64 = 1 << 60;
        let drawings = drawn(15 * EIB, &[1, EIB + 1, 7 * EIB + 12_345, 15 * EIB - 1]);
        for drawing in &drawings {
            assert!(drawing.contains("] "), "{drawing:?}");
            let rate = drawing.len() as f64 / BAR_PERIOD.as_secs_f64();
            assert!(rate <= DRAWING_MAX as f64, "{rate} bytes/s: {drawing:?}");
        }
    }

    #[test]
    fn a_bar_has_share_rate_and_time_left() {
        let drawings = drawn(4_000_000, &[1_000_000]);
        let text = &drawings[0];
        assert!(text.contains(" 25% [=====> "), "{text:?}");
        assert!(text.contains("1.00 MB of 4.00 MB, "), "{text:?}");
        assert!(
            text.contains("B/s, ") && text.ends_with(" left"),
            "{text:?}"
        );
    }

    #[test]
    fn a_drawing_never_wraps() {
        const EIB: u64 = 1 << 60;
        const WIDTHS: [fn() -> u16; 7] = [|| 1, || 5, || 19, || 38, || 39, || 75, || 131];
        for width in WIDTHS {
            let columns = usize::from(width());
            for drawing in drawn_on(width, 15 * EIB, &[1, EIB + 1, 7 * EIB, 15 * EIB - 1]) {
                for line in drawing.split("\r\x1b[2K") {
                    assert!(line.chars().count() <= columns, "{columns}: {line:?}");
                }
            }
        }
        let narrow = drawn_on(|| 19, 4_000_000, &[1_000_000]);
        assert!(
            narrow[0].contains(" 25% ") && narrow[0].ends_with(" left"),
            "{narrow:?}"
        );
        let middle = drawn_on(|| 39, 4_000_000, &[1_000_000]);
        assert!(
            middle[0].contains(" 25% 1.00 MB of 4.00 MB, "),
            "{middle:?}"
        );
    }

    #[test]
    fn a_line_has_share_rate_and_time_left() {
        assert_eq!(
            line(1 << 30, 4 << 30, Duration::from_secs(50)),
            "25 %, 1073741824 of 4294967296 bytes, 21.5 MB/s, 150 s left"
        );
        assert!(line(0, 10, Duration::ZERO).ends_with("unknown time left"));
    }

    #[test]
    fn nothing_is_shown_before_its_time() {
        let mut progress = Progress::new(10, true);
        progress.display = Display::Bar(bar(10, Line::new(io::stderr(), width)));
        progress.at(5);
        let Display::Bar(bar) = &progress.display else {
            unreachable!("it is a bar")
        };
        assert_eq!(bar.position(), 0);
    }
}
