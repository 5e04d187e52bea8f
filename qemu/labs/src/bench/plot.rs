// SPDX-License-Identifier: MIT
//! Plots of a report, as SVG.

use std::fmt::Display;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::growth::Growth;
use super::report::{Report, size};
use super::throughput::best;

const SIZE: (u32, u32) = (800, 420);
const FONT: (&str, u32) = ("sans-serif", 15);

/// Draws `cost.svg`, `growth.svg` and `throughput.svg` into `folder`.
pub fn all(report: &Report, folder: &Path) -> Result<()> {
    let draw = |name: &str, draw: fn(&Report, &Area<'_>) -> Drawn| -> Result<()> {
        let file = folder.join(name);
        let area = SVGBackend::new(&file, SIZE).into_drawing_area();
        area.fill(&WHITE)
            .map_err(readable)
            .and_then(|()| draw(report, &area).map_err(|error| anyhow!("{name}: {error}")))?;
        area.present().map_err(readable)
    };
    draw("cost.svg", cost)?;
    draw("growth.svg", growth)?;
    draw("throughput.svg", throughput)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn readable(error: impl Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

/// A bar for each way, on a logarithmic scale.
fn cost(report: &Report, area: &Area<'_>) -> Drawn {
    let mut bars: Vec<(&str, f64)> = report
        .cost
        .iter()
        .map(|(name, cost)| (name.as_str(), cost.per_mib.max(1.0)))
        .collect();
    bars.sort_by(|one, other| other.1.total_cmp(&one.1));
    let names: Vec<&str> = bars.iter().map(|bar| bar.0).collect();
    let mut chart = ChartBuilder::on(area)
        .caption("Guest instructions per MiB, everything counted", FONT)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(90)
        .build_cartesian_2d(
            (100.0..20e6).log_scale(),
            (0..bars.len() - 1).into_segmented(),
        )?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_label_formatter(&|count| grouped(*count))
        .y_label_formatter(&|position| match position {
            SegmentValue::CenterOf(index) => names.get(*index).copied().unwrap_or("").to_owned(),
            _ => String::new(),
        })
        .draw()?;
    for (index, (name, count)) in bars.iter().enumerate() {
        let color = if name.starts_with("kernel") {
            BLUE
        } else {
            RGBColor(150, 150, 150)
        };
        let mut bar = Rectangle::new(
            [
                (100.0, SegmentValue::Exact(index)),
                (*count, SegmentValue::Exact(index + 1)),
            ],
            color.filled(),
        );
        bar.set_margin(4, 4, 0, 0);
        chart.draw_series([bar])?;
        chart.draw_series([Text::new(
            format!(" {}", grouped(*count)),
            (*count, SegmentValue::CenterOf(index)),
            FONT,
        )])?;
    }
    Ok(())
}

/// Instructions over the region's size, both logarithmic: straight lines of slope 1.
fn growth(report: &Report, area: &Area<'_>) -> Drawn {
    let points = || report.growth.values().flat_map(Growth::fitted);
    let least = points().map(|point| point.1).fold(1e6, f64::min);
    let most = points().map(|point| point.1).fold(1e6, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("Guest instructions of a dump, by size of the region", FONT)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(110)
        .build_cartesian_2d(
            (1e6..1.2e9).log_scale(),
            (least.max(1.0) / 2.0..most * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_label_formatter(&|bytes| format!("{:.0} MB", bytes / 1e6))
        .y_label_formatter(&|count| grouped(*count))
        .draw()?;
    for (index, (name, growth)) in report.growth.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let line = growth
            .fitted()
            .map(|(size, count)| (size as f64, count.max(1.0)));
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)).point_size(3))?
            .label(format!("{name}, exponent {:.2}", growth.exponent))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

/// Each way at its best depth over the chunk size.
fn throughput(report: &Report, area: &Area<'_>) -> Drawn {
    let rates = || report.throughput.values().flatten();
    let most = rates().map(|rate| rate.median).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("MB/s within one boot, each way at its best depth", FONT)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(15.8..24.2, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("bytes a request")
        .x_labels(9)
        .x_label_formatter(&|power| size(1 << (*power as u32)))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .draw()?;
    for (index, (name, rates)) in report.throughput.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let mut chunks: Vec<u32> = rates.iter().map(|rate| rate.chunk).collect();
        chunks.dedup();
        let mut line: Vec<(f64, f64)> = chunks
            .iter()
            .filter_map(|chunk| {
                let of_chunk = rates.iter().filter(|rate| rate.chunk == *chunk);
                let of_chunk: Vec<_> = of_chunk.cloned().collect();
                Some((f64::from(*chunk).log2(), best(&of_chunk)?.median))
            })
            .collect();
        if let [(_, rate)] = line[..] {
            // It has no choice of chunks: a level line.
            line = vec![(15.8, rate), (24.2, rate)];
        }
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

fn legend<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .label_font(FONT)
        .draw()?;
    Ok(())
}

/// `1234567` -> `1,234,567`.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(7.0), "7");
        assert_eq!(grouped(123.4), "123");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
    }
}
