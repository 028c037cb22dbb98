use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use bytes::Bytes;

use super::super::json::{MAX_DIGITS, Sink};
use super::{Budget, MAX_DEPTH, MAX_NODES, Refused};

/// The objects that a pickle builds, as data. Nodes refer to each other by index, so a shared
/// object is one node.
#[derive(Default)]
pub(super) struct Tree(Vec<Node>);

pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits in two's complement, lowest byte first.
    Long(Bytes),
    /// An integer of more than 64 bits in decimal digits.
    Digits(String),
    Float(f64),
    /// UTF-8 that may contain halves of surrogate pairs.
    Text(Bytes),
    Bytes(Bytes),
    ByteArray(Bytes),
    List(Vec<u32>),
    Tuple(Vec<u32>),
    Dict(Vec<(u32, u32)>),
    Set(Vec<u32>),
    FrozenSet(Vec<u32>),
    /// A class or function. How Python looks it up depends on the protocol.
    Global {
        protocol: u8,
        module: Bytes,
        name: Bytes,
    },
    /// The result of a call, and the edits after it.
    Object {
        made: Construction,
        edits: Vec<ObjectEdit>,
    },
}

/// A call that makes an object. It is recorded, never executed.
pub(super) enum Construction {
    Reduce { callable: u32, args: u32 },
    New { class: u32, args: u32 },
    NewEx { class: u32, args: u32, kwargs: u32 },
    Instance { class: u32, args: Vec<u32> },
}

/// An edit of an object after it was made.
pub(super) enum ObjectEdit {
    Append(u32),
    Extend(Vec<u32>),
    SetItems(Vec<(u32, u32)>),
    Add(Vec<u32>),
    Build(u32),
}

impl Tree {
    pub(super) fn add(&mut self, node: Node) -> Result<u32, Refused> {
        if self.0.len() == MAX_NODES {
            return Err(Refused("it has too many objects"));
        }
        let id = u32::try_from(self.0.len()).expect("bounded above");
        self.0.push(node);
        Ok(id)
    }

    /// Refuses an object that is nested too deeply or contains itself.
    pub(super) fn check(&self, top: u32) -> Result<(), Refused> {
        self.height(top, 0, &mut vec![0; self.0.len()]).map(drop)
    }

    /// Passes the contents of a node to `sink` and returns `true`. Returns `false` for a node
    /// without a JSON form; `sink` may have received part of it.
    pub(super) fn visit(
        &self,
        id: u32,
        sink: &mut impl Sink,
        budget: &mut Budget,
    ) -> Result<bool, Refused> {
        budget.spend(1)?;
        match &self[id] {
            Node::None => sink.null(),
            Node::Bool(yes) => sink.bool(*yes),
            Node::Int(number) => sink.int(&number.to_string()),
            Node::Long(bytes) => match decimal(bytes) {
                Some(digits) => {
                    budget.spend(digits.len())?;
                    sink.int(&digits);
                }
                None => return Ok(false),
            },
            Node::Digits(digits) => {
                budget.spend(digits.len())?;
                sink.int(digits);
            }
            Node::Float(number) => sink.float(*number),
            Node::Text(text) if !has_split_pair(text) => {
                budget.spend(text.len())?;
                sink.text(text);
            }
            Node::List(items) => {
                sink.list();
                for &item in items {
                    if !self.visit(item, sink, budget)? {
                        return Ok(false);
                    }
                }
                sink.list_end();
            }
            Node::Dict(items) => {
                sink.dict();
                for &(key, value) in items {
                    match &self[key] {
                        Node::Text(text) if !has_split_pair(text) => {
                            budget.spend(text.len())?;
                            sink.key(text);
                        }
                        _ => return Ok(false),
                    }
                    if !self.visit(value, sink, budget)? {
                        return Ok(false);
                    }
                }
                sink.dict_end();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Counts how many times each node at or below `top` is used.
    pub(super) fn uses(&self, top: u32, budget: &mut Budget) -> Result<HashMap<u32, u32>, Refused> {
        let mut uses = HashMap::from([(top, 1)]);
        let mut waiting = vec![top];
        // Each node is added once, when it is first seen.
        while let Some(id) = waiting.pop() {
            budget.spend(1)?;
            self.children(id, |child| {
                let count = uses.entry(child).or_insert(0);
                *count += 1;
                if *count == 1 {
                    waiting.push(child);
                }
            });
        }
        Ok(uses)
    }

    /// Returns the number of levels from a node down, including the node's own level. `above` is
    /// the number of levels above the node. `heights` contains the result for each node, or 0 if it
    /// is not known yet.
    fn height(&self, id: u32, above: usize, heights: &mut [usize]) -> Result<usize, Refused> {
        match heights[id as usize] {
            0 => {}
            IN_PROGRESS => return Err(Refused("an object contains itself")),
            known => return Ok(known),
        }
        if above == MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        heights[id as usize] = IN_PROGRESS;
        let mut highest = Ok(0);
        self.children(id, |child| {
            if let Ok(so_far) = highest {
                highest = self
                    .height(child, above + 1, heights)
                    .map(|height| height.max(so_far));
            }
        });
        let height = highest? + 1;
        if height > MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        heights[id as usize] = height;
        Ok(height)
    }

    fn children(&self, id: u32, mut each: impl FnMut(u32)) {
        match &self[id] {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                items.iter().copied().for_each(each)
            }
            Node::Dict(items) => items.iter().for_each(|&(key, value)| {
                each(key);
                each(value);
            }),
            Node::Object { made, edits } => {
                match made {
                    Construction::Reduce {
                        callable: class,
                        args,
                    }
                    | Construction::New { class, args } => {
                        [*class, *args].into_iter().for_each(&mut each)
                    }
                    Construction::NewEx {
                        class,
                        args,
                        kwargs,
                    } => [*class, *args, *kwargs].into_iter().for_each(&mut each),
                    Construction::Instance { class, args } => {
                        each(*class);
                        args.iter().copied().for_each(&mut each);
                    }
                }
                for edit in edits {
                    match edit {
                        ObjectEdit::Append(item) | ObjectEdit::Build(item) => each(*item),
                        ObjectEdit::Extend(items) | ObjectEdit::Add(items) => {
                            items.iter().copied().for_each(&mut each);
                        }
                        ObjectEdit::SetItems(items) => items.iter().for_each(|&(key, value)| {
                            each(key);
                            each(value);
                        }),
                    }
                }
            }
            Node::None
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Long(_)
            | Node::Digits(_)
            | Node::Float(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::ByteArray(_)
            | Node::Global { .. } => {}
        }
    }
}

impl Index<u32> for Tree {
    type Output = Node;

    fn index(&self, id: u32) -> &Node {
        &self.0[id as usize]
    }
}

impl IndexMut<u32> for Tree {
    fn index_mut(&mut self, id: u32) -> &mut Node {
        &mut self.0[id as usize]
    }
}

/// Returns whether a text contains both halves of a surrogate pair next to each other as separate
/// characters. JSON would merge the halves into one character.
pub(super) fn has_split_pair(text: &[u8]) -> bool {
    text.windows(6)
        .any(|six| matches!(six, [0xed, 0xa0..=0xaf, _, 0xed, 0xb0..=0xbf, _]))
}

/// Returns the digits of an integer in two's complement, lowest byte first, or `None` if the
/// integer has more digits than Python writes.
fn decimal(bytes: &[u8]) -> Option<String> {
    // Each byte adds more than two decimal digits.
    if bytes.len() > MAX_DIGITS / 2 {
        return None;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut carry = negative;
    let magnitude = bytes.iter().map(|&byte| {
        let byte = if negative { !byte } else { byte };
        let (byte, carried) = byte.overflowing_add(u8::from(carry));
        carry = carried;
        byte
    });
    // Base 10^9, lowest part first. Each byte, from the highest, is one step of Horner's rule.
    let mut parts: Vec<u32> = vec![0];
    for byte in magnitude.collect::<Vec<_>>().into_iter().rev() {
        let mut carry = u64::from(byte);
        for part in &mut parts {
            let value = (u64::from(*part) << 8) + carry;
            *part = u32::try_from(value % 1_000_000_000).expect("a remainder is smaller");
            carry = value / 1_000_000_000;
        }
        if carry > 0 {
            parts.push(u32::try_from(carry).expect("less than 256"));
        }
    }
    let mut digits = String::new();
    for part in parts.iter().rev() {
        digits.push_str(&format!("{part:09}"));
    }
    let digits = digits.trim_start_matches('0');
    let sign = if negative { "-" } else { "" };
    match digits.len() {
        0 => Some("0".to_owned()),
        1..=MAX_DIGITS => Some(format!("{sign}{digits}")),
        _ => None,
    }
}

/// The entry in `heights` of a node whose children are being visited.
const IN_PROGRESS: usize = usize::MAX;
const TOO_DEEP: Refused = Refused("it is nested too deeply");
