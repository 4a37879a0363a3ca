//! `.env`: does it name the user who measures?

use std::collections::BTreeMap;

use super::CheckLine;
use crate::runner::project::{Project, ProjectError};

const NAME: &str = ".env";

/// PUID and PGID against the invoking user. Without them lemctl fills in; Compose by hand would not.
pub fn user(project: &Project, groups: &[u32]) -> CheckLine {
    let env = match project.env_file() {
        Ok(env) => env,
        Err(ProjectError::Compose(report)) => {
            let first = report
                .0
                .problems()
                .next()
                .map(|problem| format!("line {}: {}", problem.place.line, problem.message));
            return CheckLine::fail(
                NAME,
                first.unwrap_or_default(),
                "edit .env; .env.example shows the form",
            );
        }
        Err(error) => {
            return CheckLine::fail(NAME, error.to_string(), "sudo chown $(id -u):$(id -g) .env");
        }
    };
    let present = env.is_some();
    judge(project, &env.unwrap_or_default(), present, groups)
}

fn judge(
    project: &Project,
    env: &BTreeMap<String, String>,
    present: bool,
    groups: &[u32],
) -> CheckLine {
    let Project { uid, gid, .. } = *project;
    let id = |key: &str, invoking: u32| {
        let text = project
            .environment
            .get(key)
            .or_else(|| env.get(key))
            .filter(|text| !text.is_empty());
        text.map_or(Ok(invoking), |text| {
            text.parse::<u32>()
                .map_err(|_| format!("{key}={text} is not a number"))
        })
    };
    let (puid, pgid) = match (id("PUID", uid), id("PGID", gid)) {
        (Ok(puid), Ok(pgid)) => (puid, pgid),
        (Err(problem), _) | (_, Err(problem)) => {
            return CheckLine::fail(NAME, problem, set(uid, gid));
        }
    };
    if puid != uid {
        let detail = format!(
            "PUID={puid}, but uid {uid} runs lemctl: what containers write would not be yours"
        );
        let fix = if uid == 0 {
            format!("run lemctl as uid {puid}, without sudo")
        } else {
            set(uid, gid)
        };
        return CheckLine::fail(NAME, detail, fix);
    }
    if pgid != gid && uid != 0 && !groups.contains(&pgid) {
        let detail = format!("PGID={pgid} is none of this user's groups");
        return CheckLine::fail(NAME, detail, set(uid, gid));
    }
    if puid == 0 && !project.root_is_allowed(env) {
        let detail = "containers would run as root, which is not allowed by name";
        return CheckLine::fail(
            NAME,
            detail,
            "run lemctl as a normal user, or: lemctl init --allow-root",
        );
    }
    if puid == 0 {
        let detail = "containers run as root, allowed by LEM_ALLOW_ROOT=1";
        return CheckLine::warn(
            NAME,
            detail,
            "prefer a normal user in the group of the Docker socket",
        );
    }
    match (
        present,
        env.contains_key("PUID") && env.contains_key("PGID"),
    ) {
        (true, true) => CheckLine::pass(
            NAME,
            format!("PUID={puid} PGID={pgid} are the invoking user's"),
        ),
        (true, false) => {
            let fix = format!("printf 'PUID={uid}\\nPGID={gid}\\n' >> .env");
            CheckLine::warn(
                NAME,
                "no PUID or no PGID; lemctl fills in, Compose by hand would refuse",
                fix,
            )
        }
        (false, _) => CheckLine::warn(
            NAME,
            "not there; lemctl fills in, Compose by hand would refuse",
            "lemctl init",
        ),
    }
}

fn set(uid: u32, gid: u32) -> String {
    format!("sed -i 's/^PUID=.*/PUID={uid}/; s/^PGID=.*/PGID={gid}/' .env")
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn judged(uid: u32, env: &[(&str, &str)]) -> CheckLine {
        let project = Project {
            root: "/x".into(),
            uid,
            gid: 8,
            environment: BTreeMap::new(),
        };
        let env = env
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        judge(&project, &env, true, &[8, 44])
    }

    #[test]
    fn the_ids_must_be_the_invoking_users() {
        assert_eq!(
            judged(7, &[("PUID", "7"), ("PGID", "8")]).status,
            Status::Pass
        );
        assert_eq!(
            judged(7, &[("PUID", "7"), ("PGID", "44")]).status,
            Status::Pass,
            "one of their groups"
        );
        assert_eq!(
            judged(7, &[("PUID", "7"), ("PGID", "45")]).status,
            Status::Fail
        );
        assert_eq!(
            judged(7, &[("PUID", "9"), ("PGID", "8")]).status,
            Status::Fail
        );
        assert_eq!(
            judged(7, &[("PUID", "ada"), ("PGID", "8")]).status,
            Status::Fail
        );
        assert_eq!(judged(7, &[]).status, Status::Warn);
        let fix = judged(7, &[("PUID", "9"), ("PGID", "8")]).fix.unwrap();
        assert!(fix.contains("PUID=7") && fix.contains("PGID=8"), "{fix}");
    }

    #[test]
    fn root_is_allowed_by_name_only() {
        assert_eq!(
            judged(0, &[("PUID", "0"), ("PGID", "0")]).status,
            Status::Fail
        );
        assert_eq!(judged(0, &[]).status, Status::Fail);
        assert_eq!(judged(0, &[("LEM_ALLOW_ROOT", "1")]).status, Status::Warn);
        assert_eq!(judged(0, &[("LEM_ALLOW_ROOT", "yes")]).status, Status::Fail);
        assert_eq!(
            judged(0, &[("PUID", "7"), ("PGID", "8")]).status,
            Status::Fail,
            "lemctl under sudo"
        );
    }
}
