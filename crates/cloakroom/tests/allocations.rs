//! Counts the allocations of an untouched request, which is one that does not open its session. The
//! documentation of [`cloakroom::tower`] states their number.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cloakroom::Sessions;
use cloakroom::store::MemoryStore;
use http::{Request, Response};
use tower::{Layer, Service, service_fn};

#[test]
fn an_untouched_request_allocates_only_the_handle_and_its_slot_in_the_extensions() {
    let sessions = Sessions::new(MemoryStore::new());
    let mut bare = service_fn(page);
    let mut wrapped = sessions.layer().layer(service_fn(page));
    // The first calls also allocate memory that later calls reuse.
    allocations(&mut bare, request());
    allocations(&mut wrapped, request());

    assert_eq!(allocations(&mut bare, request()), 0);
    let handle = 1;
    let slot_in_extensions = 3;
    assert_eq!(
        allocations(&mut wrapped, request()),
        handle + slot_in_extensions
    );
}

fn request() -> Request<()> {
    let cookie = format!("a=b; __Host-session={}; c=d", "A".repeat(43));
    let request = Request::builder().header("cookie", cookie);
    request.body(()).unwrap()
}

fn page(_: Request<()>) -> Ready<Result<Response<String>, Infallible>> {
    ready(Ok(Response::new(String::new())))
}

fn allocations<S: Service<Request<()>>>(service: &mut S, request: Request<()>) -> u64 {
    let counted = allocation_counter::measure(|| {
        let mut response = pin!(service.call(request));
        let polled = response
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))));
    });
    counted.count_total
}
