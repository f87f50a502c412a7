//! The only place that edits bodies: the request's, to ask for usage ([`ask`]); the reply's, to take out again what only
//! we have asked for ([`hide`]), and the list of models ([`models`]).

pub mod ask;
pub mod hide;
pub mod models;
