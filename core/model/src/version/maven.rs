//! The order of Maven's versions.
//!
//! Follows `ComparableVersion` of maven-artifact 3.9
//! (<https://maven.apache.org/pom.html#version-order-specification>), whose cases are the tests. Knows no other order.

use std::cmp::Ordering;

/// Qualifiers in their order; the empty one is the release.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const RELEASE: usize = 5;

/// Which of two versions is newer.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    compare_lists(&parse(a), &parse(b))
}

/// A part of a version.
#[derive(Debug)]
enum Item<'a> {
    /// Digits without leading zeros: they may be more than a number holds.
    Number(&'a str),
    Word(Word<'a>),
    List(Vec<Item<'a>>),
}

/// A qualifier, by its place in the order; those that Maven does not know come after all that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word<'a> {
    Known(usize),
    Unknown(&'a str),
}

impl<'a> Word<'a> {
    fn parse(text: &'a str, has_number: bool) -> Self {
        let name = match text {
            "a" if has_number => "alpha",
            "b" if has_number => "beta",
            "m" if has_number => "milestone",
            "cr" => "rc",
            "ga" | "final" | "release" => "",
            other => other,
        };
        QUALIFIERS.iter().position(|known| *known == name).map_or(Self::Unknown(name), Self::Known)
    }
}

impl Item<'_> {
    /// Whether it says no more than its absence: 1.0.0 is 1, and 1-final is 1.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Number(digits) => digits.is_empty(),
            Self::Word(word) => *word == Word::Known(RELEASE),
            Self::List(items) => items.is_empty(),
        }
    }

    /// Against nothing, where the other version has ended.
    fn compare_to_nothing(&self) -> Ordering {
        match self {
            Self::Number(digits) => digits.len().cmp(&0),
            Self::Word(word) => word.cmp(&Word::Known(RELEASE)),
            Self::List(items) => {
                items.iter().map(Self::compare_to_nothing).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => compare_numbers(a, b),
            (Self::Number(_), _) => Ordering::Greater,
            (_, Self::Number(_)) => Ordering::Less,
            (Self::List(a), Self::List(b)) => compare_lists(a, b),
            (Self::List(_), _) => Ordering::Greater,
            (_, Self::List(_)) => Ordering::Less,
            (Self::Word(a), Self::Word(b)) => a.cmp(b),
        }
    }
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn compare_lists(a: &[Item<'_>], b: &[Item<'_>]) -> Ordering {
    let orders = (0..a.len().max(b.len())).map(|index| match (a.get(index), b.get(index)) {
        (Some(a), Some(b)) => a.compare(b),
        (Some(a), None) => a.compare_to_nothing(),
        (None, Some(b)) => b.compare_to_nothing().reverse(),
        (None, None) => Ordering::Equal,
    });
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Lists that are open, the outermost first. A list that is opened inside another is the last item of that one.
struct Lists<'a>(Vec<Vec<Item<'a>>>);

impl<'a> Lists<'a> {
    fn add(&mut self, item: Item<'a>) {
        if let Some(innermost) = self.0.last_mut() {
            innermost.push(item);
        }
    }

    fn open(&mut self) {
        self.0.push(Vec::new());
    }

    /// 1.x is 1-x, and 1.x2 is 1-x2; in 1.x.2 and 1.x-2 the word stays where it is.
    fn open_for_word(&mut self) {
        if self.0.last().is_some_and(|innermost| !innermost.is_empty()) {
            self.open();
        }
    }

    fn close(mut self) -> Vec<Item<'a>> {
        loop {
            let Some(mut innermost) = self.0.pop() else { return Vec::new() };
            drop_nothing(&mut innermost);
            if self.0.is_empty() {
                return innermost;
            }
            self.add(Item::List(innermost));
        }
    }
}

/// `version` in lower case is cut at dots, hyphens, and between digits and other characters.
fn parse(version: &str) -> Vec<Item<'_>> {
    let mut lists = Lists(vec![Vec::new()]);
    let (mut start, mut digits) = (0, false);
    for (at, byte) in version.bytes().enumerate() {
        let text = &version[start..at];
        match byte {
            b'.' | b'-' => {
                lists.add(item(text, digits, false));
                start = at + 1;
                if byte == b'-' {
                    lists.open();
                }
            }
            _ => {
                if digits != byte.is_ascii_digit() && !text.is_empty() {
                    if !digits {
                        lists.open_for_word();
                    }
                    lists.add(item(text, digits, true));
                    lists.open();
                    start = at;
                }
                digits = byte.is_ascii_digit();
            }
        }
    }
    if start < version.len() {
        if !digits {
            lists.open_for_word();
        }
        lists.add(item(&version[start..], digits, false));
    }
    lists.close()
}

fn item(text: &str, digits: bool, is_followed: bool) -> Item<'_> {
    if digits || text.is_empty() {
        Item::Number(text.trim_start_matches('0'))
    } else {
        Item::Word(Word::parse(text, is_followed))
    }
}

/// Takes out what says nothing at the end of a list, also between the lists at its end.
fn drop_nothing(items: &mut Vec<Item<'_>>) {
    for index in (0..items.len()).rev() {
        if items[index].is_nothing() {
            items.remove(index);
        } else if !matches!(items[index], Item::List(_)) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ComparableVersion` of maven-artifact 3.9.16 says; found by comparing 4,000 random pairs.
    #[test]
    fn odd_pairs() {
        for (low, high) in [
            ("2.sp.2.alpha", "2.beta"),
            ("10.m-snapshot", "10.b"),
            ("2.snapshot-ga.a.snapshot2", "2.cr"),
            ("2-mb210", "2release-jre"),
            ("0-snapshot", "0.x-m"),
            ("2.jre", "2.jre10-2"),
            ("0.alphajre01", "0-2"),
            ("10.cr", "10.sp01.01.10sp"),
            ("9999999999999999999999", "10000000000000000000000"),
        ] {
            assert_eq!(compare(low, high), Ordering::Less, "{low} and {high}");
            assert_eq!(compare(high, low), Ordering::Greater, "{high} and {low}");
        }
        for same in ["1.0-final", "1.0.ga", "1-0", "01.00.0", "1.0-release"] {
            assert_eq!(compare("1", same), Ordering::Equal, "{same}");
        }
    }
}
