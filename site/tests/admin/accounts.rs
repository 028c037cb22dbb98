use crate::common::{
    Site,
    visitor::{PASSWORD, main, target},
};

/// The fields of the form at [`CHANGE`].
const USER: [(&str, &str); 6] = [
    ("username", "member"),
    ("first_name", "Mina"),
    ("last_name", "Okafor"),
    ("email", "member@example.org"),
    ("is_active", "on"),
    ("groups", "1"),
];

/// The page that changes user 1, `member`.
const CHANGE: &str = "/admin/auth/user/1/change/";

#[tokio::test]
async fn a_new_user_is_added_with_a_name_and_a_password_only() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let new = |username, first, second| {
        [
            ("username", username),
            ("password1", first),
            ("password2", second),
        ]
    };
    let add = "/admin/auth/user/add/";
    for (fields, error) in [
        (new("", PASSWORD, PASSWORD), "This field is required."),
        (new("a b", PASSWORD, PASSWORD), "Enter a valid username."),
        (
            new("member", PASSWORD, PASSWORD),
            "A user with that username already exists.",
        ),
        (
            new("rosa", PASSWORD, "other"),
            "The two password fields didn’t match.",
        ),
        (
            new("rosa", "12345678", "12345678"),
            "This password is entirely numeric.",
        ),
        (
            new("rosalind", "rosalind", "rosalind"),
            "The password is too similar to the username.",
        ),
    ] {
        let page = admin.send(add, &fields).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains(error), "{error}");
        assert!(!page.text().contains(PASSWORD));
    }
    let page = admin.send(add, &new("rosa", PASSWORD, PASSWORD)).await;
    assert_eq!(target(&page), "/admin/auth/user/12/change/");
    let visitor = site.stranger();
    assert_eq!(visitor.log_in("rosa", PASSWORD).await.status, 302);
    assert_eq!(
        site.number("SELECT is_staff + is_superuser FROM auth_user WHERE id = 12")
            .await,
        0
    );
}

#[tokio::test]
async fn the_password_hash_is_masked() {
    let site = Site::new().await;
    site.sql(
        "UPDATE auth_user SET password = 'pbkdf2_sha256$1$c2FsdHNhbHQ$AbCdEfGhIjKlMnOpQr=' \
         WHERE id = 1",
    )
    .await;
    let admin = site.visitor("admin").await;
    let page = admin.get(CHANGE).await;
    assert!(main(&page).contains("algorithm: pbkdf2_sha256, hash: AbCdEf**********"));
    assert!(!page.text().contains("GhIjKl") && !page.text().contains("c2FsdHNhbHQ"));
    // After a refused form, the page still shows the masked stored hash, and not the submitted
    // value of `password`.
    let fields = [("username", ""), ("password", "sent$along")];
    let page = admin.send(CHANGE, &fields).await;
    assert!(main(&page).contains("algorithm: pbkdf2_sha256, hash: AbCdEf**********"));
    assert!(!page.text().contains("along"));
}

#[tokio::test]
async fn changing_a_user_changes_their_permissions_at_once() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let member = site.visitor("member").await;
    let may_return = site
        .number("SELECT id FROM auth_permission WHERE codename = 'can_mark_returned'")
        .await
        .to_string();
    let mut fields = USER.to_vec();
    fields[0].1 = "mina";
    fields.extend([
        ("is_staff", "on"),
        ("groups", "3"),
        ("user_permissions", may_return.as_str()),
    ]);
    let page = admin.send(CHANGE, &fields).await;
    assert_eq!(target(&page), "/admin/auth/user/", "{}", main(&page));
    assert_eq!(member.get("/admin/catalog/author/").await.status, 200);
    let name = site
        .text("SELECT username FROM auth_user WHERE id = 1 AND password LIKE 'pbkdf2%'")
        .await;
    assert_eq!(name.as_deref(), Some("mina"));

    let page = admin.send(CHANGE, &USER).await;
    assert_eq!(page.status, 302);
    assert_eq!(member.get("/admin/catalog/author/").await.status, 302);
    // The query puts two counts into one number: the user's groups (1) and permissions (0).
    let rights = "SELECT (SELECT COUNT(*) FROM auth_user_groups WHERE user_id = 1) * 10 + \
                (SELECT COUNT(*) FROM auth_user_user_permissions WHERE user_id = 1)";
    assert_eq!(site.number(rights).await, 10);

    fields.retain(|(name, _)| *name != "is_active");
    admin.send(CHANGE, &fields).await;
    assert_eq!(
        member.get("/catalog/mybooks/").await.status,
        302,
        "an inactive user is redirected to the login page"
    );
}

#[tokio::test]
async fn invalid_values_of_a_user_are_refused_with_the_reason() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    for (at, value, error) in [
        (0, "reader2", "A user with that username already exists."),
        (3, "nonsense", "Enter a valid email address."),
        (
            5,
            "99",
            "Select a valid choice. 99 is not one of the available choices.",
        ),
    ] {
        let mut fields = USER;
        fields[at].1 = value;
        let page = admin.send(CHANGE, &fields).await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains(error), "{error}");
    }
}

#[tokio::test]
async fn setting_a_password_ends_the_sessions_of_the_user_except_the_current_session() {
    let site = Site::new().await;
    let (admin, member) = (site.visitor("admin").await, site.visitor("member").await);
    let set = "/admin/auth/user/1/password/";
    let new = "Kettle-orchard-9";
    let page = admin
        .send(set, &[("password1", new), ("password2", "x")])
        .await;
    assert!(main(&page).contains("The two password fields didn’t match."));
    let page = admin
        .send(set, &[("password1", "Mina"), ("password2", "Mina")])
        .await;
    assert!(main(&page).contains("The password is too similar to the first name."));
    let page = admin
        .send(set, &[("password1", new), ("password2", new)])
        .await;
    assert_eq!(target(&page), CHANGE);
    assert_eq!(member.get("/catalog/mybooks/").await.status, 302);
    let sessions = admin.get("/admin/sessions/session/?q=member").await;
    assert!(main(&sessions).contains("None of the users on this page"));
    assert_eq!(member.log_in("member", new).await.status, 302);
    assert_eq!(admin.get("/admin/").await.status, 200);

    let other = site.stranger();
    assert_eq!(other.log_in("admin", PASSWORD).await.status, 302);
    let own = "/admin/auth/user/10/password/";
    admin
        .send(own, &[("password1", new), ("password2", new)])
        .await;
    assert_eq!(
        admin.get("/admin/").await.status,
        200,
        "the current session stays"
    );
    assert_eq!(other.get("/admin/").await.status, 302);
}

#[tokio::test]
async fn a_group_has_a_unique_name_and_permissions() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let page = admin
        .send("/admin/auth/group/add/", &[("name", "Librarians")])
        .await;
    assert!(main(&page).contains("Group with this Name already exists."));
    let id = site
        .number("SELECT id FROM auth_permission WHERE codename = 'add_genre'")
        .await
        .to_string();
    let fields = [("name", "Cataloguers"), ("permissions", id.as_str())];
    let page = admin.send("/admin/auth/group/add/", &fields).await;
    assert_eq!(target(&page), "/admin/auth/group/");
    let permissions = "SELECT COUNT(*) FROM auth_group_permissions WHERE group_id = 4";
    assert_eq!(site.number(permissions).await, 1);
    admin
        .send("/admin/auth/group/4/change/", &fields[..1])
        .await;
    assert_eq!(site.number(permissions).await, 0);
}

#[tokio::test]
async fn users_who_may_change_accounts_cannot_gain_more_rights() {
    let site = Site::new().await;
    site.sql(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) \
         SELECT 9, id FROM auth_permission \
         WHERE codename IN ('view_user', 'change_user', 'delete_user')",
    )
    .await;
    let librarian = site.visitor("librarian").await;
    let page = librarian.get("/admin/auth/user/9/change/").await;
    assert!(!page.text().contains("is_superuser") && !page.text().contains("user_permissions"));
    let fields = [
        ("username", "librarian"),
        ("email", "new@example.org"),
        ("is_superuser", "on"),
        ("is_active", "on"),
    ];
    let page = librarian.send("/admin/auth/user/9/change/", &fields).await;
    assert_eq!(page.status, 302);
    let kept = "SELECT COUNT(*) FROM auth_user u JOIN auth_user_groups g ON g.user_id = u.id \
                WHERE u.id = 9 AND NOT is_superuser AND is_staff AND email = 'new@example.org'";
    assert_eq!(site.number(kept).await, 1);
    for path in ["change", "password", "delete"] {
        let path = format!("/admin/auth/user/10/{path}/");
        assert_eq!(librarian.get(&path).await.status, 403);
        let fields = [
            ("password1", PASSWORD),
            ("password2", PASSWORD),
            ("post", "yes"),
        ];
        assert_eq!(librarian.send(&path, &fields).await.status, 403);
    }
}
