//! Users and tokens.

use rusqlite::{Connection, Row};

use super::writer::Durability;
use super::{Catalog, sql};
use crate::{Result, Secret, User, UserSet};

const SECRETS: &str = "SELECT id, subject, hash, note, created, expires, last_use FROM secret";

impl Catalog {
    /// Creates a user, or changes the user's password. There may be `most` users. Durable.
    pub async fn set_user(&self, user: User, most: usize) -> Result<UserSet> {
        self.write(Durability::Durable, move |connection| {
            const CHANGE: &str = "UPDATE user SET hash = ?2 WHERE name = ?1";
            const CREATE: &str = "INSERT INTO user (name, hash, created) VALUES (?1, ?2, ?3)";
            if sql::run(connection, CHANGE, (&user.name, &user.hash))? > 0 {
                return Ok(UserSet::Changed);
            }
            if count(connection, "SELECT count(*) FROM user")? >= most as u64 {
                return Ok(UserSet::Full);
            }
            sql::run(connection, CREATE, (&user.name, &user.hash, user.created))?;
            Ok(UserSet::Created)
        })
        .await
    }

    /// Removes a user and the tokens of `subject`, which is the user. False if there is no such user. Durable.
    pub async fn remove_user(&self, name: &str, subject: &str) -> Result<bool> {
        let (name, subject) = (name.to_owned(), subject.to_owned());
        self.free(Durability::Durable, move |connection| {
            sql::run(connection, "DELETE FROM secret WHERE subject = ?1", [&subject])?;
            Ok(sql::run(connection, "DELETE FROM user WHERE name = ?1", [&name])? > 0)
        })
        .await
    }

    /// A user.
    pub async fn user(&self, name: &str) -> Result<Option<User>> {
        const FIND: &str = "SELECT name, hash, created FROM user WHERE name = ?1";
        self.read(|connection| sql::first(connection, FIND, [name], user))
    }

    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>> {
        const LIST: &str = "SELECT name, hash, created FROM user ORDER BY name";
        self.read(|connection| sql::all(connection, LIST, [], user))
    }

    /// Adds a token. False if there are `most` tokens. Durable.
    pub async fn add_secret(&self, secret: Secret, most: usize) -> Result<bool> {
        self.write(Durability::Durable, move |connection| {
            const ADD: &str = "INSERT INTO secret (id, subject, hash, note, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            if count(connection, "SELECT count(*) FROM secret")? >= most as u64 {
                return Ok(false);
            }
            let Secret { id, subject, hash, note, created, expires, last_use: _ } = &secret;
            sql::run(connection, ADD, (id, subject, hash, note, created, expires)).map(|_| true)
        })
        .await
    }

    /// A token.
    pub async fn secret(&self, id: &str) -> Result<Option<Secret>> {
        self.read(|connection| {
            let find = format!("{SECRETS} WHERE id = ?1");
            sql::first(connection, &find, [id], secret)
        })
    }

    /// The tokens of a subject, or of all, by id.
    pub async fn secrets(&self, subject: Option<&str>) -> Result<Vec<Secret>> {
        self.read(|connection| {
            let list = format!("{SECRETS} WHERE ?1 IS NULL OR subject = ?1 ORDER BY id");
            sql::all(connection, &list, [subject], secret)
        })
    }

    /// Removes a token; of this subject only, if one is given. False if there is none. Durable.
    pub async fn remove_secret(&self, id: &str, subject: Option<&str>) -> Result<bool> {
        let (id, subject) = (id.to_owned(), subject.map(str::to_owned));
        self.free(Durability::Durable, move |connection| {
            const REMOVE: &str = "DELETE FROM secret WHERE id = ?1 AND (?2 IS NULL OR subject = ?2)";
            Ok(sql::run(connection, REMOVE, (&id, &subject))? > 0)
        })
        .await
    }

    /// Records that a token was used. Relaxed.
    pub async fn use_secret(&self, id: &str, at: i64) -> Result<()> {
        let id = id.to_owned();
        self.write(Durability::Relaxed, move |connection| {
            sql::run(connection, "UPDATE secret SET last_use = ?2 WHERE id = ?1", (&id, at)).map(|_| ())
        })
        .await
    }
}

fn count(connection: &Connection, statement: &str) -> rusqlite::Result<u64> {
    Ok(sql::first(connection, statement, [], |row| sql::unsigned(row, 0))?.unwrap_or_default())
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User { name: row.get(0)?, hash: row.get(1)?, created: row.get(2)? })
}

fn secret(row: &Row<'_>) -> rusqlite::Result<Secret> {
    Ok(Secret {
        id: row.get(0)?,
        subject: row.get(1)?,
        hash: row.get(2)?,
        note: row.get(3)?,
        created: row.get(4)?,
        expires: row.get(5)?,
        last_use: row.get(6)?,
    })
}
