//! A real gateway on loopback, driven by `curl` and by plain sockets. The engine behind it records what it is given.

mod access;
mod calls;
mod curl;
mod engine;
mod limits;
mod running;
mod uploads;
