//! Aliases of a head: movable names for versions. Where both have the same name, the version wins.

use fail::fail_point;
use haulier_model::{Result, Selector, UnitName, Version};

use super::{Generation, Head, Outcome, refusal};

impl Head {
    /// Points `alias` to a deployed version, and returns that version with the one it pointed to before.
    pub(crate) fn set_alias(
        &mut self,
        name: &UnitName,
        alias: &Version,
        version: &Version,
    ) -> Result<Outcome<(Generation, Option<String>)>> {
        if alias.as_str() == "latest" {
            return Err(refusal::latest_is_computed(name));
        }
        if !alias.as_str().starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(refusal::no_alias(name, alias));
        }
        if self.find_deployed(alias).is_some() {
            return Err(refusal::alias_is_a_version(name, alias));
        }
        let selector = Selector::Named(version.clone());
        let found = self.find_deployed(version).or_else(|| self.find_alias(version));
        let target = found.map(|index| self.versions[index].clone()).ok_or_else(|| self.refuse(name, &selector))?;
        let previous = self.aliases.insert(alias.to_string(), target.version.to_string());
        let unchanged = previous.as_deref() == Some(target.version.as_str());
        Ok(if unchanged { Outcome::Unchanged((target, previous)) } else { Outcome::Changed((target, previous)) })
    }

    /// Removes an alias, and returns the version that it pointed to.
    pub(crate) fn remove_alias(&mut self, name: &UnitName, alias: &Version) -> Result<Outcome<String>> {
        match self.aliases.remove(alias.as_str()) {
            Some(previous) => Ok(Outcome::Changed(previous)),
            None => Err(refusal::unknown_alias(name, alias, self)),
        }
    }

    /// The deployed version that an alias points to.
    pub(super) fn find_alias(&self, alias: &Version) -> Option<usize> {
        let target: Version = self.aliases.get(alias.as_str())?.parse().ok()?;
        self.find_deployed(&target)
    }

    /// The aliases that point to a version.
    pub(crate) fn aliases_of<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = &'a str> {
        self.aliases.iter().filter(|(_, target)| *target == version.as_str()).map(|(alias, _)| alias.as_str())
    }

    /// Refuses to undeploy an alias, and, but by force, a version that an alias points to.
    pub(super) fn check_aliases(&self, name: &UnitName, selector: &Selector, force: bool) -> Result<()> {
        if let Selector::Named(version) = selector
            && self.find_deployed(version).is_none()
            && let Some(target) = self.aliases.get(version.as_str())
        {
            return Err(refusal::undeploy_of_alias(name, version, target));
        }
        if force || *selector == Selector::Latest {
            return Ok(());
        }
        let meant = |present: &&Generation| match selector {
            Selector::Latest => true,
            Selector::Named(version) => present.version.same_as(version),
            Selector::Digest(digest) => present.digest == *digest,
        };
        let aliased = self.deployed().filter(meant).find_map(|present| {
            let alias = self.aliases_of(&present.version).next()?;
            Some(refusal::aliased(name, &present.version, alias))
        });
        aliased.map_or(Ok(()), Err)
    }

    /// Moves the aliases of a version to the one that replaces it: `1.0.0` may replace `1.0`.
    pub(super) fn move_aliases(&mut self, replaced: &Version, by: &Version) {
        for target in self.aliases.values_mut().filter(|target| *target == replaced.as_str()) {
            *target = by.to_string();
        }
    }

    /// Removes aliases whose version is no longer deployed.
    pub(super) fn drop_dangling_aliases(&mut self) {
        fail_point!("sabotage::keep-aliases", |_| ());
        let deployed: Vec<String> = self.deployed().map(|present| present.version.to_string()).collect();
        self.aliases.retain(|_, target| deployed.contains(target));
    }
}
