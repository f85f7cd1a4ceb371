//! Several nodes: membership, routing, code between nodes, and what happens when nodes die, hang or are cut off.

mod away;
mod code;
mod death;
mod explaining;
mod membership;
mod network;
mod owner;
mod routing;
