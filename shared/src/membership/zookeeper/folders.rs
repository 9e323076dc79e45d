//! Which folders a group has: one for each list of topics that members of it ever had, and the group's own for those without.

use kafkavisor_zookeeper::NodeError;

use super::observer::Observer;
use super::paths::{LOCKS, PARTY, normal};
use crate::ids::Group;
use crate::partitioner::group_path::GroupFolder;

impl Observer {
    /// The folders of the group's members, absolute; none for a group that never was. Those with a path of their own
    /// (`assignment.group_path`) can't be found from the group's name.
    pub async fn folders(&self, group: &Group) -> Result<Vec<String>, NodeError> {
        let folder = GroupFolder::plain(group);
        let path = folder.path();
        let mut children = self.children(&format!("{}{path}", normal(self.chroot()))).await?;
        children.sort();
        Ok(folders(path, &children))
    }
}

/// The folder itself where members are in it, and each folder in it that is not one of its own two.
fn folders(path: &str, children: &[String]) -> Vec<String> {
    let own = |child: &&String| matches!(child.as_str(), PARTY | LOCKS);
    let plain = children.iter().any(|child| own(&child)).then(|| path.to_owned());
    let hashed = children.iter().filter(|child| !own(child)).map(|child| format!("{path}/{child}"));
    plain.into_iter().chain(hashed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_in_the_groups_folder_or_in_folders_of_it() {
        let found = |children: &[&str]| {
            let children: Vec<_> = children.iter().map(|child| (*child).to_owned()).collect();
            folders("/yelp-kafka/g", &children)
        };
        assert_eq!(found(&[]), [""; 0]);
        assert_eq!(found(&["locks", "party"]), ["/yelp-kafka/g"]);
        assert_eq!(found(&["a1", "b2"]), ["/yelp-kafka/g/a1", "/yelp-kafka/g/b2"]);
        assert_eq!(found(&["a1", "party"]), ["/yelp-kafka/g", "/yelp-kafka/g/a1"]);
    }
}
