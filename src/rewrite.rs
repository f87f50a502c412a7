//! The only edits of bodies: of the request, to request usage ([`ask`]); of the reply, to remove the usage that only Tollgate
//! requested ([`hide`]) and to filter the list of models ([`models`]).

pub mod ask;
pub mod hide;
pub mod models;
