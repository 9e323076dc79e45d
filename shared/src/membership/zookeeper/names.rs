//! Who a session belongs to, told from the party's nodes: for people who ask whose lock that is.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

/// The members' identifiers by their sessions, as far as they were asked for. A session has one member for its life.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<i64, String>>>);

impl Names {
    /// Who `session` is; `look` reads the party, knowing whom we know. Whoever asks meanwhile waits for that.
    pub(super) async fn of<L, F>(&self, session: i64, look: L) -> Option<String>
    where
        L: FnOnce(Vec<String>) -> F,
        F: Future<Output = Vec<(i64, String)>>,
    {
        let mut known = self.0.lock().await;
        if !known.contains_key(&session) {
            let seen = look(known.values().cloned().collect()).await;
            known.extend(seen);
        }
        known.get(&session).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_member_is_looked_up_once() {
        let names = Names::default();
        let seen = |known: Vec<String>| async move {
            assert_eq!(known, Vec::<String>::new());
            vec![(1, "a".to_owned()), (2, "b".to_owned())]
        };
        assert_eq!(names.of(1, seen).await.as_deref(), Some("a"));
        let nobody = |_| async { panic!("known already") };
        assert_eq!(names.of(2, nobody).await.as_deref(), Some("b"));
        assert_eq!(
            names
                .of(3, |known| async move {
                    assert_eq!(known.len(), 2);
                    Vec::new()
                })
                .await,
            None
        );
    }
}
