use super::Run; pub(super) fn measure(_run: &mut Run) {}
