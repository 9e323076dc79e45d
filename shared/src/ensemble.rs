//! ZooKeeper as the configuration names it.

use std::sync::{Arc, Mutex, PoisonError};

use kafkavisor_zookeeper::{Access, Ensemble, Login, TlsFiles};

use crate::config::{Acl, ZookeeperAddress, ZookeeperAuth, ZookeeperTls};

/// At `address`, as who `auth` says and by what `tls` names. The password is read again for each session.
pub fn ensemble(
    address: &ZookeeperAddress,
    auth: Option<&ZookeeperAuth>,
    tls: Option<&ZookeeperTls>,
) -> Ensemble {
    Ensemble::new(address.servers.join(",")).login(auth.map(login)).tls(tls.map(files))
}

/// The files that `cluster.zookeeper_tls` names.
pub fn files(tls: &ZookeeperTls) -> TlsFiles {
    let ZookeeperTls { ca, certificate, key } = tls.clone();
    TlsFiles { ca, certificate, key }
}

fn login(auth: &ZookeeperAuth) -> Login {
    let access = match auth.acl {
        Acl::Open => Access::Anyone,
        Acl::Creator => Access::Creator,
    };
    let secret = Mutex::new(auth.password.clone());
    let password = move || {
        let mut secret = secret.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = secret.read_again() {
            log::error!("cluster.zookeeper_auth.password: {error}; it is taken to be what it was before");
        }
        secret.expose().to_owned()
    };
    Login { username: auth.username.clone(), password: Arc::new(password), access }
}
