//! The built command, as an operator runs it.

#[cfg(test)]
mod check;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod run;
