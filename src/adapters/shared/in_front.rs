//! Catalogs of servers that stand in front of a registry: they list by an interface of their own, and the registry
//! answers all else.

use async_trait::async_trait;
use tokio::sync::mpsc;

use wharf_core::{
    base::{context::Context, error::Result, secret::Credentials},
    catalog::rows::Row,
    image::{
        model::{Health, Image, LastPull, Platform, Version},
        reference::ImageRef,
    },
    ports::{Catalog, Extent, Listing, SignInServer},
};

/// What such a server answers itself.
#[async_trait]
pub trait Front: Send + Sync {
    /// The registry behind it.
    fn registry(&self) -> &dyn Catalog;

    /// See [`Catalog::listing`].
    fn listing(&self) -> Listing;

    /// See [`Catalog::list`].
    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent>;

    /// See [`Catalog::describes_cheaply`].
    fn describes_cheaply(&self) -> bool;

    /// See [`Catalog::health`].
    async fn health(&self, cx: &Context) -> Result<Health> {
        self.registry().health(cx).await
    }

    /// See [`Catalog::last_pull`].
    async fn last_pull(&self, cx: &Context, reference: &ImageRef) -> Result<Option<LastPull>> {
        self.registry().last_pull(cx, reference).await
    }
}

/// The catalog of such a server and its registry.
pub struct InFront<T>(pub T);

#[async_trait]
impl<T: Front> Catalog for InFront<T> {
    fn listing(&self) -> Listing {
        self.0.listing()
    }

    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        self.0.list(cx, query, pages).await
    }

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        self.0.registry().reference(name, tag)
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        self.0.registry().owns(reference)
    }

    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        self.0.registry().image(cx, reference, platform).await
    }

    async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        self.0.registry().tags(cx, reference).await
    }

    async fn version(&self, cx: &Context, reference: &ImageRef) -> Result<Version> {
        self.0.registry().version(cx, reference).await
    }

    fn sign_in_place(&self) -> Option<String> {
        self.0.registry().sign_in_place()
    }

    async fn sign_in_server(&self, cx: &Context) -> Result<Option<SignInServer>> {
        self.0.registry().sign_in_server(cx).await
    }

    fn describes_cheaply(&self) -> bool {
        self.0.describes_cheaply()
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        self.0.health(cx).await
    }

    async fn last_pull(&self, cx: &Context, reference: &ImageRef) -> Result<Option<LastPull>> {
        self.0.last_pull(cx, reference).await
    }

    async fn credentials(&self, reference: &ImageRef) -> Option<Credentials> {
        self.0.registry().credentials(reference).await
    }
}
