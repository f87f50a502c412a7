use std::io; use super::Run; pub(super) async fn measure(_run: &mut Run) -> io::Result<()> { Ok(()) }
