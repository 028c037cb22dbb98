"""Models for LocalLibrary's tables of the catalogue. Django does not create these tables."""

import uuid

from django.contrib.auth.models import User
from django.db import models


class Author(models.Model):
    first_name = models.CharField(max_length=100)
    last_name = models.CharField(max_length=100)
    date_of_birth = models.DateField(null=True, blank=True)
    date_of_death = models.DateField(null=True, blank=True)

    class Meta:
        managed = False


class Genre(models.Model):
    name = models.CharField(max_length=200, unique=True)

    class Meta:
        managed = False


class Language(models.Model):
    name = models.CharField(max_length=200, unique=True)

    class Meta:
        managed = False


class Book(models.Model):
    title = models.CharField(max_length=200)
    summary = models.TextField()
    isbn = models.CharField(max_length=13, unique=True)
    author = models.ForeignKey(Author, models.RESTRICT, null=True)
    language = models.ForeignKey(Language, models.SET_NULL, null=True)
    genre = models.ManyToManyField(Genre)

    class Meta:
        managed = False


class BookInstance(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    imprint = models.CharField(max_length=200)
    due_back = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=1)
    book = models.ForeignKey(Book, models.RESTRICT, null=True)
    borrower = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)

    class Meta:
        managed = False
        permissions = [("can_mark_returned", "Set book as returned")]
