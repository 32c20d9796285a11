//! Amounts as Kubernetes writes them: `10Gi`, `256Mi`, `200m`.

use std::fmt;
use std::str::FromStr;

use super::name::ValueError;

/// An amount of bytes or of processors, as it was written.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    /// The amount in thousandths, the smallest unit of processor time.
    milli: u128,
}

/// The factor of each suffix, in thousandths.
const SUFFIXES: [(&str, u128); 14] = [
    ("", 1000),
    ("m", 1),
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];

impl Quantity {
    /// The amount as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Quantity {
    /// Compares the amounts: `1024Mi` equals `1Gi`, which is what the API server makes of it.
    fn eq(&self, other: &Self) -> bool {
        self.milli == other.milli
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.milli.cmp(&other.milli)
    }
}

impl FromStr for Quantity {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || {
            let bytes = text.strip_suffix('B').filter(|rest| rest.ends_with(['i', 'k', 'M', 'G', 'T']));
            let hint = bytes.map_or_else(String::new, |bytes| format!(": Kubernetes writes it {bytes}"));
            ValueError::new(text, format!("is not an amount such as 10Gi, 256Mi, 0.5 or 200m{hint}"))
        };
        let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let scale = SUFFIXES.iter().find(|(name, _)| *name == suffix).ok_or_else(wrong)?.1;
        // Processor time has three digits after the point, and amounts of bytes never need more.
        if whole.is_empty() || whole.len() > 15 || fraction.len() > 3 || number.ends_with('.') {
            return Err(wrong());
        }
        let digits: u128 = format!("{whole}{fraction:0<3}").parse().map_err(|_| wrong())?;
        let milli = digits.checked_mul(scale).ok_or_else(wrong)? / 1000;
        if milli == 0 {
            return Err(ValueError::new(text, "is zero: give an amount above zero"));
        }
        Ok(Self { text: text.to_owned(), milli })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_compare_by_their_value() {
        assert_eq!(quantity("1Gi"), quantity("1024Mi"));
        assert_eq!(quantity("0.5"), quantity("500m"));
        assert_eq!(quantity("1.5Gi"), quantity("1536Mi"));
        assert_eq!(quantity("10737418240"), quantity("10Gi"));
        assert!(quantity("10G") < quantity("10Gi"));
        assert!(quantity("8Ei") > quantity("9000P"));
        assert_eq!(quantity("1024Mi").as_str(), "1024Mi");
    }

    #[test]
    fn a_text_that_is_no_amount_is_refused_with_what_to_write() {
        for (text, reason) in [
            ("", "such as 10Gi"),
            ("Gi", "such as 10Gi"),
            ("-1Gi", "such as 10Gi"),
            ("10GiB", "Kubernetes writes it 10Gi"),
            ("10 Gi", "such as 10Gi"),
            ("1.2.3", "such as 10Gi"),
            ("1.", "such as 10Gi"),
            (".5", "such as 10Gi"),
            ("0Gi", "is zero"),
            ("9999999999999999Ei", "such as 10Gi"),
        ] {
            let error = text.parse::<Quantity>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
