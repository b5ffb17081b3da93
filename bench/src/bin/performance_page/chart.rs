//! A plot as SVG: a row for each server, on an axis by powers of ten, a mark for the median and a line between the ends.
//!
//! It brings its background and colours for light and dark, so that it is readable wherever it is shown.

use std::fmt::Write as _;

use crate::format::number;

/// A plot.
pub struct Chart {
    /// What is on the axis.
    pub title: String,
    /// From the top.
    pub rows: Vec<Row>,
}

/// One row.
pub struct Row {
    /// Who.
    pub name: String,
    /// Drawn in the colour of the product.
    pub is_ours: bool,
    /// Marks from left to right; the line goes from the least to the greatest.
    pub marks: Vec<f64>,
    /// The mark that stands out, and whose number is written.
    pub main: f64,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 46.0;
const ROW: f64 = 26.0;

impl Chart {
    /// The SVG.
    pub fn svg(&self) -> String {
        let values = || {
            let marks = self.rows.iter().flat_map(|row| row.marks.iter().copied());
            marks.filter(|value| *value > 0.0)
        };
        let least = values().fold(f64::INFINITY, f64::min);
        let greatest = values().fold(0.0, f64::max);
        let (first, last) = if least.is_finite() {
            (least.log10().floor() as i32, greatest.log10().ceil() as i32)
        } else {
            (0, 1)
        };
        let last = last.max(first + 1);
        let x = |value: f64| {
            let share = (value.log10() - f64::from(first)) / f64::from(last - first);
            LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
        };
        let bottom = TOP + ROW * self.rows.len() as f64;
        let height = bottom + 30.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             role=\"img\">\n<title>{title}</title>\n{STYLE}\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
             <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n",
            title = escaped(&self.title)
        );
        for power in first..=last {
            let value = 10f64.powi(power);
            let at = x(value);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                bottom + 18.0,
                tick(value)
            );
        }
        for (place, row) in self.rows.iter().enumerate() {
            let y = TOP + ROW * (place as f64 + 0.5);
            row.write(&mut svg, y, &x);
        }
        svg + "</svg>\n"
    }
}

impl Row {
    fn write(&self, svg: &mut String, y: f64, x: &impl Fn(f64) -> f64) {
        let class = if self.is_ours { "ours" } else { "theirs" };
        let text_y = y + 4.5;
        let _ = writeln!(
            svg,
            "<text class=\"name {class}\" x=\"{:.1}\" y=\"{text_y:.1}\">{}</text>",
            LEFT - 12.0,
            escaped(&self.name)
        );
        let marks: Vec<f64> = self.marks.iter().map(|&value| x(value)).collect();
        let (Some(first), Some(last)) = (marks.first(), marks.last()) else {
            return;
        };
        let _ = writeln!(
            svg,
            "<line class=\"range {class}\" x1=\"{first:.1}\" x2=\"{last:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
        for at in &marks {
            let _ = writeln!(
                svg,
                "<line class=\"end {class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                y - 4.0,
                y + 4.0
            );
        }
        let _ = writeln!(
            svg,
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5\"/>\
             <text class=\"value\" x=\"{:.1}\" y=\"{text_y:.1}\">{}</text>",
            x(self.main),
            last.max(x(self.main)) + 10.0,
            number(self.main)
        );
    }
}

fn tick(value: f64) -> String {
    if value >= 1.0 {
        number(value).trim_end_matches(".00").replace(".0", "")
    } else {
        value.to_string()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const STYLE: &str = "<style>\n\
text { font: 13px system-ui, 'DejaVu Sans', sans-serif; fill: #1f2328 }\n\
.title { font-weight: 600; font-size: 14px }\n\
.name { text-anchor: end }\n\
.name.ours { font-weight: 600 }\n\
.tick { text-anchor: middle; fill: #59636e; font-size: 12px }\n\
.ground { fill: #ffffff }\n\
.grid { stroke: #d1d9e0; stroke-width: 1 }\n\
.range, .end { stroke-width: 2 }\n\
circle.ours { fill: #0b57d0 } line.ours { stroke: #0b57d0 }\n\
circle.theirs { fill: #6e7781 } line.theirs { stroke: #6e7781 }\n\
@media (prefers-color-scheme: dark) {\n\
text { fill: #e6edf3 } .tick { fill: #9198a1 } .ground { fill: #0d1117 } .grid { stroke: #3d444d }\n\
circle.ours { fill: #6cb0ff } line.ours { stroke: #6cb0ff }\n\
circle.theirs { fill: #9198a1 } line.theirs { stroke: #9198a1 }\n\
}\n</style>";

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(rows: Vec<Row>) -> Chart {
        Chart {
            title: "a < b".to_owned(),
            rows,
        }
    }

    fn row(main: f64) -> Row {
        Row {
            name: "one".to_owned(),
            is_ours: true,
            marks: vec![main / 2.0, main, main * 2.0],
            main,
        }
    }

    #[test]
    fn the_axis_goes_from_the_power_of_ten_below_all_to_the_one_above() {
        let svg = chart(vec![row(40.0), row(3000.0)]).svg();
        for tick in [">10<", ">100<", ">1,000<", ">10,000<"] {
            assert!(svg.contains(tick), "{tick}");
        }
        assert!(!svg.contains(">1<") && !svg.contains(">100,000<"));
        assert!(svg.contains("a &lt; b"));
    }

    #[test]
    fn nothing_measured_makes_an_empty_plot() {
        assert!(chart(Vec::new()).svg().ends_with("</svg>\n"));
        let svg = chart(vec![Row {
            marks: Vec::new(),
            ..row(1.0)
        }])
        .svg();
        assert!(svg.contains(">one<") && !svg.contains("circle class"));
    }
}
